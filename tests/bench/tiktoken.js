/*
 * tiktoken.js FILE: GPT-2's tokens of a text, line by line, with tiktoken-node
 * (native) or else tiktoken (WebAssembly). Prints seconds, without the start
 * and the reading, bytes, and which of the two it was.
 */
'use strict';
const fs = require('fs');

function encoder() {
	try {
		const native = require('tiktoken-node').getEncoding('gpt2');
		return ['tiktoken-node', (s) => native.encode(s).length];
	} catch (e) {
		const wasm = require('tiktoken').get_encoding('gpt2');
		return ['tiktoken', (s) => wasm.encode_ordinary(s).length];
	}
}

const [name, encode] = encoder();
const text = fs.readFileSync(process.argv[2], 'utf8');
const lines = text.split('\n');
let tokens = 0;
encode(lines[0]);
const start = process.hrtime.bigint();
for (const line of lines)
	tokens += encode(line);
const seconds = Number(process.hrtime.bigint() - start) / 1e9;
if (tokens === 0)
	throw new Error('no tokens');
console.log(seconds.toFixed(6), Buffer.byteLength(text), name);
