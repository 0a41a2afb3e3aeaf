# A web server on 127.0.0.1 for the files of a directory: prints its port, and
# gives ranges. With a limit, it breaks off the first transfer after so many
# bytes.
use strict;
use warnings;
use IO::Socket::INET;

my ($root, $limit) = @ARGV;
my $server = IO::Socket::INET->new(
    LocalAddr => '127.0.0.1', Listen => 5, ReuseAddr => 1) or die $!;
$| = 1;
print $server->sockport, "\n";
close STDOUT;
while (my $c = $server->accept) {
	my ($path, $from) = ('', 0);
	while (defined(my $line = <$c>)) {
		$path = $1 if $line =~ m{^GET (/\S*) };
		$from = $1 if $line =~ m{^Range: bytes=(\d+)-}i;
		last if $line =~ /^\r?\n$/;
	}
	my $body;
	if (open my $f, '<:raw', $root . $path) {
		local $/;
		$body = <$f>;
	}
	my $status = !defined $body ? '404 Not Found'
	    : $from > length $body || ($from && $from == length $body)
	    ? '416 Range Not Satisfiable'
	    : $from ? '206 Partial Content' : '200 OK';
	$body = '' if $status =~ /^4/;
	my $size = length $body;
	$body = substr $body, $from;
	print $c "HTTP/1.1 $status\r\nConnection: close\r\nContent-Length: ",
	    length $body, "\r\n",
	    $from ? "Content-Range: bytes $from-" . ($size - 1) . "/$size\r\n" : '',
	    "\r\n";
	if (defined $limit && $path =~ /safetensors$/) {
		$body = substr $body, 0, $limit;
		undef $limit;
	}
	print $c $body;
	close $c;
}
