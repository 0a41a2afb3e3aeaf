/*
 * onnx_gpt2.js MODEL.onnx padded|equal ROWS: hidden states at the cut with ONNX
 * Runtime. The model is what `torch_gpt2.py onnx` has written, batches and rows
 * are as there. Prints seconds, without the start, and tokens.
 */
'use strict';
const fs = require('fs');
const os = require('os');
const ort = require('onnxruntime-node');

const BATCH = 32;

function batches(rows, how) {
	const groups = new Map();
	for (const row of rows) {
		const key = how === 'equal' ? row.length : 0;
		groups.set(key, [...(groups.get(key) || []), row]);
	}
	const result = [];
	for (const group of groups.values())
		for (let i = 0; i < group.length; i += BATCH)
			result.push(group.slice(i, i + BATCH));
	return result;
}

function pad(batch) {
	const longest = Math.max(...batch.map((row) => row.length));
	const ids = new BigInt64Array(batch.length * longest);
	batch.forEach((row, r) =>
		row.forEach((id, i) => { ids[r * longest + i] = BigInt(id); }));
	return new ort.Tensor('int64', ids, [batch.length, longest]);
}

async function main() {
	const [model, how, path] = process.argv.slice(2);
	const rows = fs.readFileSync(path, 'utf8').trim().split('\n')
		.map((line) => JSON.parse(line).tokens);
	const session = await ort.InferenceSession.create(model,
		{ intraOpNumThreads: os.cpus().length });
	const work = batches(rows, how).map(pad);
	await session.run({ ids: work[0] });
	const start = process.hrtime.bigint();
	for (const ids of work)
		await session.run({ ids });
	const seconds = Number(process.hrtime.bigint() - start) / 1e9;
	console.log(seconds.toFixed(6), rows.reduce((n, r) => n + r.length, 0));
}

main();
