//go:build amd64 || arm64

package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"

	"github.com/gopledge/pledge"
)

// A utility is a command that is held to promises: those that it makes itself on
// OpenBSD, where it does, and what Linux needs beyond them.
type utility struct {
	promises string
	linux    string // further promises that it takes on Linux
	why      string // what for

	command string // words, as a shell splits them; {NAME} is one of the things that the test has made
	before  string // a shell command that prepares the directory
	stdin   string
	tty     bool // standard input is a terminal, and the controlling one
	status  int
	stdout  string // a pattern
	varies  bool   // each run is another

	drop    string // what it cannot do without
	lacks   string // what the report names then, if not that
	refused string // a pattern: what it says instead, where it is not killed, but a call fails
	abi     int    // the Landlock ABI that it takes
}

// devNull is the ABI that tells /dev/null from other files, which stdio may
// write. Others are its time zones and locales.
const devNull = 1

// Promises of OpenBSD's that several command lines have.
const (
	ksh     = "stdio rpath wpath cpath fattr flock getpw proc exec tty"
	pax     = "stdio rpath wpath cpath fattr dpath getpw tape" // making archives and extracting
	paxPipe = "stdio rpath wpath cpath fattr dpath getpw proc exec tape"
	gzip    = "stdio rpath wpath cpath fattr chown"
	ed      = "stdio rpath wpath cpath proc exec tty"
	ftp     = "stdio rpath wpath cpath dns tty inet fattr" // to a file
	less    = "stdio rpath wpath cpath fattr proc exec tty"
)

// repo makes a repository.
const repo = `export GIT_AUTHOR_DATE='1577966400 +0000' GIT_COMMITTER_DATE='1577966400 +0000'; git init -q repo && cd repo && cp ../a . && git add a && git -c user.name=x -c user.email=x@y commit -qm first && cp ../b new && echo more >> a`

const wrapper = "Debian's is a script that executes another program"

// openbsd are the utilities that pledge on OpenBSD, under the promises of its
// source.
var openbsd = []utility{
	{promises: "stdio rpath", command: "cat a d/e", stdout: `one\ntwo\nthree\nE\n`, drop: "rpath"},
	{promises: "stdio", command: "cat", stdin: "in\n", stdout: `in\n`, drop: "stdio"},
	{promises: "stdio rpath getpw", command: "ls -l", stdout: `(?s)total .*-rw-r--r-- .* Jan  2  2020 a\n.*`, drop: "rpath"},
	{promises: "stdio rpath getpw", command: "ls -laR --color=always", stdout: `(?s).*`, drop: "rpath"},
	{promises: "stdio rpath wpath cpath", command: "sort -r a", stdout: `two\nthree\none\n`, drop: "rpath", refused: `sort: cannot read: a: Permission denied\n`},
	{promises: "stdio rpath wpath cpath", command: "sort -n -S 1k --parallel=2 -T . -o sorted big", drop: "cpath"},
	{promises: "stdio rpath", command: "sort -c b", status: 1, drop: "rpath"},
	{promises: "stdio rpath", command: "grep -r E .", stdout: `\./d/e:E\n`, drop: "rpath"},
	{promises: "stdio rpath", command: "grep -q nowhere a", status: 1, drop: "rpath"},
	{promises: "stdio rpath", linux: "exec", why: wrapper, command: "egrep 'o|x' a", stdout: `one\ntwo\n`, drop: "rpath"},
	{promises: pax, command: "tar cf x.tar a d link", drop: "cpath"},
	{promises: pax, command: "tar xf x.tar -C d", before: "tar cf x.tar a d/e link", drop: "fattr"},
	{promises: "stdio rpath getpw tape", command: "tar tvf x.tar", before: "tar cf x.tar a d link", stdout: `(?s).* a\n.*`, drop: "rpath"},
	{promises: paxPipe, command: "tar czf x.tgz a d", drop: "proc"},
	{promises: paxPipe, command: "tar xzf x.tgz -C d", before: "tar czf x.tgz a d/e", drop: "proc"},
	{promises: gzip, command: "gzip a", drop: "fattr"},
	{promises: gzip, command: "gzip -d a.gz", before: "gzip a", drop: "cpath"},
	{promises: "stdio rpath", command: "gzip -dc a.gz", before: "gzip a", stdout: `one\ntwo\nthree\n`, drop: "rpath"},
	{promises: "stdio rpath", linux: "exec", why: wrapper, command: "gunzip -c a.gz", before: "gzip a", stdout: `one\ntwo\nthree\n`, drop: "rpath"},
	{promises: "stdio rpath", command: "sed s/one/1/ a", stdout: `1\ntwo\nthree\n`, drop: "rpath"},
	{promises: "stdio rpath wpath cpath", command: "sed -n 's/one/1/w out' a", drop: "wpath"},
	{promises: gzip, command: "sed -i s/one/1/ a", drop: "cpath"},
	{promises: "stdio rpath wpath cpath fattr", command: "cp a copy", drop: "cpath"},
	{promises: "stdio rpath cpath getpw", command: "rm -r d a", drop: "cpath"},
	{promises: "stdio rpath cpath fattr", command: "mkdir -p x/y/z", drop: "cpath"},
	{promises: "stdio rpath cpath fattr", command: "mkdir -m 700 x", drop: "cpath"},
	{promises: "stdio rpath wpath cpath fattr", command: "touch new", drop: "cpath"},
	{promises: "stdio rpath wpath cpath fattr", command: "touch -d @0 a", drop: "fattr"},
	{promises: "stdio rpath", command: "head -n 1 a b", stdout: `==> a <==\none\n\n==> b <==\n2\n`, drop: "rpath"},
	{promises: "stdio rpath", command: "wc a", stdout: ` 3  3 14 a\n`, drop: "rpath"},
	{promises: "stdio rpath", command: "cut -c 1 a", stdout: `o\nt\nt\n`, drop: "rpath"},
	{promises: "stdio", command: "tr a-z A-Z", stdin: "in\n", stdout: `IN\n`, drop: "stdio"},
	{promises: "stdio rpath wpath cpath", command: "uniq -c b out", drop: "cpath"},
	{promises: "stdio wpath cpath", command: "tee out", stdin: "in\n", stdout: `in\n`, drop: "cpath"},
	{promises: "stdio rpath tmppath", command: "diff -u a b", status: 1, stdout: `(?s)--- a.*`, drop: "rpath tmppath", lacks: "rpath"},
	{promises: "stdio rpath tmppath", command: "diff -r d .", status: 1, stdout: `(?s).*Only in \.: b\n.*`, drop: "rpath", refused: `diff: d: Permission denied\ndiff: \.: Permission denied\n`},
	{promises: "stdio rpath", command: "cmp a b", status: 1, stdout: `a b differ: byte 1, line 1\n`, drop: "rpath"},
	{promises: "stdio rpath getpw", command: "find . -name e -user {uid} -o -type l", stdout: `\./(link|d/e)\n\./(link|d/e)\n`, drop: "rpath"},
	{promises: "stdio rpath getpw proc exec", command: "find d -type f -exec cat {} ;", stdout: `E\n`, drop: "proc"},
	{promises: "stdio rpath cpath getpw", command: "find d -delete", drop: "cpath"},
	{promises: "stdio rpath proc exec", command: "xargs -n 1 echo", stdin: "a b\n", stdout: `a\nb\n`, drop: "proc"},
	{promises: ksh, command: "sh -c 'cat a | sort > out; echo done >> out; : > /dev/null; test -f out && cat < out'", stdout: `one\nthree\ntwo\ndone\n`, drop: "cpath"},
	{promises: ksh, command: "bash -c 'read x < a; echo $x | tr a-z A-Z; cat <(echo sub) - <<< here; echo {1..3} $((6*7)) ~'", stdout: `ONE\nsub\nhere\n1 2 3 42 \S+\n`, drop: "proc"},
	{promises: ksh, command: "bash -c 'for i in *; do [[ -d $i ]] && cd $i && pwd -P | sed s,.*/,,; done; umask 077; echo > new; trap \"echo USR1\" USR1; kill -USR1 $$'", stdout: `d\nUSR1\n`, drop: "cpath"},
	{promises: ksh, command: "./script x", stdout: `\./script x one\n`, drop: "rpath getpw exec", lacks: "rpath"},
	{promises: "stdio rpath wpath cpath proc exec", command: "awk '{ print NR, $1; print $1 > \"out\" } END { \"echo p\" | getline x; print x, system(\"exit 3\") }' a", stdout: `1 one\n2 two\n3 three\np 3\n`, drop: "cpath"},
	{promises: "stdio rpath", command: "mawk '{ n += length } END { print n }' a", stdout: `11\n`, drop: "rpath"},
	{promises: "stdio rpath tty", command: "bc -l a.bc", before: `printf '2^70\nscale=3\n1/3\nquit\n' > a.bc`, stdout: `1180591620717411303424\n\.333\n`, drop: "rpath"},
	{promises: "stdio rpath proc tty", command: "bc", stdin: "6*7\n", stdout: `42\n`},
	{promises: "stdio rpath", command: "dc -e '6 7*p'", stdout: `42\n`},
	{promises: "stdio rpath", command: "dc a.dc", before: "echo '6 7*p' > a.dc", stdout: `42\n`, drop: "rpath"},
	{promises: ed, command: "ed -s a", stdin: "2d\n,p\nr !echo x\nw out\nq\n", stdout: `one\nthree\n`, drop: "cpath"},
	{promises: ed, command: "ed -s a", stdin: "1d\nw\nq\n", drop: "wpath"},
	{promises: less, command: "less a", stdout: `one\ntwo\nthree\n`, drop: "rpath"},
	{promises: "stdio rpath tty", command: "less", stdin: "in\n", stdout: `in\n`, drop: "stdio"},
	{promises: "stdio rpath inet dns", command: "dig @127.0.0.1 -p {dns} +short +tries=1 host.example A", stdout: `192\.0\.2\.1\n`, drop: "inet dns", lacks: "inet"},
	{promises: "stdio inet dns", command: "nc 127.0.0.1 {tcp}", stdin: "in\n", stdout: `in\n`, drop: "inet", refused: `.{0}`, abi: 4},
	{promises: "stdio rpath wpath cpath tmppath unix", command: "nc -U {unix}", stdin: "in\n", stdout: `in\n`, drop: "unix"},
	{promises: ftp, command: "wget -q {http}/x", drop: "cpath"},
	{promises: "stdio rpath dns tty inet", command: "wget -q -O - {http}/x", stdout: `hello /x\n`, drop: "inet dns", lacks: "inet"},
	{promises: "stdio rpath dns tty inet", command: "curl -sS {http}/x", stdout: `hello /x\n`, drop: "inet dns", lacks: "inet"},
	{promises: "stdio rpath dns tty inet", command: "curl -sS http://localhost:{port}/x", stdout: `hello /x\n`, drop: "inet dns", lacks: "inet"},
	{promises: ftp, command: "curl -sS -o out {http}/x", drop: "cpath"},
	{promises: "stdio rpath dns tty inet", command: "curl -sSk {https}/x", stdout: `hello /x\n`, drop: "inet dns", lacks: "inet"},
	{promises: "stdio rpath getpw ps", command: "ps -ef", stdout: `(?s)UID .*`, varies: true, drop: "rpath", refused: `fatal library error, lookup self\n`},
	{promises: "stdio rpath getpw ps", command: "ps -o pid=,comm= {pid}", stdout: ` *\d+ .*\n`, drop: "ps rpath", lacks: "ps"},
	{promises: "stdio getpw", command: "id", stdout: `uid=.*\n`, drop: "getpw", lacks: "unix"},
	{promises: "stdio getpw", command: "id -un nobody", stdout: `nobody\n`, drop: "getpw", lacks: "unix"},
	{promises: "stdio proc", command: "kill -0 {pid}", drop: "proc"},
	{promises: "stdio", command: "sleep 0.01", drop: "stdio"},
	{promises: "stdio", command: "date -u -d @0 '+%c %Z'", stdout: `Thu Jan +1 00:00:00 1970 UTC\n`, drop: "stdio"},
	{promises: "stdio", command: "date", stdout: `.+\n`, varies: true, drop: "stdio"},
	{promises: "stdio exec", linux: "rpath", why: "the loader of the new program reads libraries, under the promises that it inherits", command: "env -i A=1 echo hello", stdout: `hello\n`, drop: "exec"},
	{promises: "stdio", command: "expr 6 * 7", stdout: `42\n`, drop: "stdio"},
	{promises: "stdio rpath", command: "test -f a", drop: "rpath"},
	{promises: "stdio rpath", command: "[ a -nt /nowhere ]", drop: "rpath"},
	{promises: "stdio", command: "echo hello", stdout: `hello\n`, drop: "stdio"},
	{promises: "stdio", linux: "tty", why: "OpenBSD's has asked the terminal before it pledges", command: "stty -a", tty: true, stdout: `(?s)speed .*`, drop: "tty", refused: `stty: 'standard input': Inappropriate ioctl for device\n`},
	{promises: "stdio", linux: "tty", why: "OpenBSD's has asked the terminal before it pledges", command: "stty -echo", tty: true, drop: "tty"},
	{promises: "stdio rpath getpw recvfd sendfd id proc", command: "file a link d big.gz script", before: "gzip -n big", stdout: `(?s)a: +ASCII text\n.*`, drop: "rpath"},
}

// others are those whose promises say what they are for.
var others = []utility{
	{promises: gzip, command: "xz -k a", drop: "cpath"},
	{promises: gzip, command: "xz -T2 big", drop: "fattr"},
	{promises: "stdio rpath", command: "xz -dc a.xz", before: "xz a", stdout: `one\ntwo\nthree\n`, drop: "rpath"},
	{promises: gzip, command: "bzip2 a", drop: "cpath"},
	{promises: "stdio rpath", command: "bunzip2 -c a.bz2", before: "bzip2 a", stdout: `one\ntwo\nthree\n`, drop: "rpath"},
	{promises: "stdio rpath wpath cpath fattr", command: "zip -Xqr x.zip a d", drop: "cpath"},
	{promises: "stdio rpath wpath cpath fattr", command: "unzip -q x.zip -d d", before: "zip -Xqr x.zip a d", drop: "cpath"},
	{promises: "stdio rpath wpath cpath fattr chown", command: "cp -a d link copies", before: "mkdir copies", drop: "fattr"},
	{promises: "stdio rpath wpath cpath fattr chown", command: "cp --reflink=auto -p a copy", drop: "cpath"},
	{promises: "stdio rpath wpath cpath fattr chown", command: "install -m 600 a copy", drop: "cpath"},
	{promises: "stdio rpath cpath", command: "mv a moved", drop: "cpath"},
	{promises: "stdio rpath wpath cpath fattr chown", command: "mv a {away}/a", drop: "cpath"},
	{promises: "stdio cpath", command: "rmdir empty", before: "mkdir empty", drop: "cpath"},
	{promises: "stdio rpath cpath", command: "ln -s a symbolic", drop: "cpath"},
	{promises: "stdio rpath cpath", command: "ln a hard", drop: "cpath"},
	{promises: "stdio rpath fattr", command: "chmod 600 a", drop: "fattr"},
	{promises: "stdio rpath fattr", command: "chmod -R u=rwX,go= d", drop: "fattr"},
	{promises: "stdio rpath getpw chown", command: "chown -R {uid} d", drop: "chown", lacks: "fattr"},
	{promises: "stdio dpath", command: "mkfifo pipe", drop: "dpath"},
	{promises: "stdio rpath cpath wpath", command: "mktemp -p .", stdout: `\./tmp\..*\n`, varies: true, drop: "cpath"},
	{promises: "stdio rpath wpath cpath", command: "dd if=a of=out bs=4 status=none", drop: "cpath"},
	{promises: "stdio rpath wpath cpath", command: "split -l 1 a", drop: "cpath"},
	{promises: "stdio wpath", command: "truncate -c -s 3 a", drop: "wpath"},
	{promises: "stdio rpath", command: "tail -n 1 a", stdout: `three\n`, drop: "rpath"},
	{promises: "stdio", command: "tail -c 3", stdin: "in\n", stdout: `in\n`, drop: "stdio"},
	{promises: "stdio rpath", command: "paste a b", stdout: `one\t2\n.*\n.*\n`, drop: "rpath"},
	{promises: "stdio rpath", command: "comm s1 s2", stdout: `1\n\t\t2\n\t3\n`, drop: "rpath"},
	{promises: "stdio rpath", command: "join s1 s2", stdout: `2\n`, drop: "rpath"},
	{promises: "stdio rpath", command: "nl a", stdout: `(?s) +1\tone\n.*`, drop: "rpath"},
	{promises: "stdio rpath", command: "fold -w 2 a", stdout: `(?s)on\ne\n.*`, drop: "rpath"},
	{promises: "stdio rpath", command: "fmt a", stdout: `one two three\n`, drop: "rpath"},
	{promises: "stdio rpath", command: "tac a", stdout: `three\ntwo\none\n`, drop: "rpath"},
	{promises: "stdio rpath", command: "shuf -n 1 a", stdout: `(one|two|three)\n`, varies: true, drop: "rpath"},
	{promises: "stdio rpath wpath cpath tmppath fattr", command: "patch -s -i p", before: "sed s/one/1/ a > n; diff -u --label a --label a a n > p || rm n", drop: "cpath"},
	{promises: ksh, command: "vi -es -u NONE '+%s/one/1/' +x a", drop: "cpath"},
	{promises: "stdio rpath getpw", command: "git -C repo log --oneline", before: repo, stdout: `[0-9a-f]+ first\n`, drop: "rpath getpw", lacks: "rpath", abi: devNull},
	{promises: "stdio rpath wpath cpath fattr flock getpw proc exec", command: "git -C repo status -s", before: repo, stdout: ` M a\n\?\? new\n`, drop: "cpath"},
	{promises: "stdio rpath wpath cpath fattr flock getpw proc exec", command: "git -C repo diff --stat", before: repo, stdout: `(?s) a \| .*`, drop: "rpath getpw exec", lacks: "rpath", abi: devNull},
	{promises: "stdio rpath wpath cpath fattr flock getpw proc exec", command: "git -C repo -c user.name=x -c user.email=x@y -c gc.auto=0 commit -qam second", before: repo, drop: "cpath"},
	{promises: "stdio rpath wpath cpath fattr flock getpw proc exec", command: "git clone -q repo clone", before: repo, drop: "proc"},
	{promises: "stdio rpath prot_exec", command: "python3 -c 'import json, time; print(json.loads(open(\"a.json\").read())[\"x\"], time.localtime(0)[0])'", before: "echo '{\"x\": 42}' > a.json", stdout: `42 19(69|70)\n`, drop: "rpath"},
	{promises: "stdio rpath prot_exec proc exec", command: "python3 -c 'import subprocess; print(subprocess.run([\"cat\", \"a\"], capture_output=True, stdin=subprocess.DEVNULL).stdout)'", stdout: `b'one\\ntwo\\nthree\\n'\n`, drop: "proc", abi: devNull},
	{promises: "stdio rpath", command: "perl -ne 'print if /w/' a", stdout: `two\n`, drop: "rpath"},
	{promises: "stdio rpath proc exec", command: "perl -e 'print `cat a`; print sort glob(\"*a\")'", stdout: `one\ntwo\nthree\na`, drop: "proc"},
	{promises: "stdio rpath wpath cpath tty", command: "openssl dgst -sha256 a", stdout: `SHA2?-?256\(a\)= [0-9a-f]{64}\n`, drop: "rpath"},
	{promises: "stdio rpath wpath cpath tty", command: "openssl enc -aes-128-cbc -K 00 -iv 00 -in a -out out", drop: "wpath"},
	{promises: "stdio rpath wpath cpath inet dns tty", command: "openssl s_client -quiet -connect 127.0.0.1:{tls}", stdin: "in\n", stdout: `in\n`, drop: "inet dns", lacks: "inet"},
	{promises: "stdio rpath getpw", command: "who", stdout: `(?s).*`, varies: true, drop: "rpath"},
	{promises: "stdio tty rpath dns vminfo ps", command: "w", stdout: `(?s).*load average.*`, varies: true, drop: "rpath"},
	{promises: "stdio rpath vminfo ps", command: "uptime", stdout: `.*load average.*\n`, varies: true, drop: "rpath"},
	{promises: "stdio vminfo", command: "free", stdout: `(?s).*Mem:.*`, varies: true, drop: "vminfo"},
	{promises: "stdio", command: "printf '%d %s\\n' 42 x", stdout: `42 x\n`, drop: "stdio"},
	{promises: "stdio", command: "basename /a/b.c .c", stdout: `b\n`, drop: "stdio"},
	{promises: "stdio", command: "dirname /a/b", stdout: `/a\n`, drop: "stdio"},
	{promises: "stdio", command: "seq 8 11", stdout: `8\n9\n10\n11\n`, drop: "stdio"},
	{promises: "stdio", command: "uname -sm", stdout: `Linux .*\n`, drop: "stdio"},
	{promises: "stdio", command: "hostname", stdout: `.*\n`},
	{promises: "stdio", command: "true"},
	{promises: "stdio", command: "false", status: 1},
	{promises: "stdio", command: "nproc", stdout: `\d+\n`, drop: "stdio"},
	{promises: "stdio rpath", command: "pwd", stdout: `/.*\n`, drop: "rpath"},
	{promises: "stdio rpath", command: "realpath link", stdout: `/.*/a\n`, drop: "rpath"},
	{promises: "stdio rpath", command: "readlink link", stdout: `a\n`, drop: "rpath", refused: `.{0}`},
	{promises: "stdio rpath", command: "tty", tty: true, stdout: `/dev/pts/\d+\n`, varies: true, drop: "stdio"},
	{promises: "stdio rpath getpw", command: "stat -c '%A %U %s' a", stdout: `-rw-r--r-- \S+ 14\n`, drop: "rpath", refused: `stat: cannot statx 'a': Permission denied\n`},
	{promises: "stdio rpath", command: "du -a d", stdout: `(?s).*d/e\n.*`, drop: "rpath"},
	{promises: "stdio rpath", command: "df -P .", stdout: `(?s)Filesystem.*`, varies: true, drop: "rpath"},
	{promises: "stdio rpath wpath cpath", command: "md5sum a", stdout: `[0-9a-f]{32}  a\n`, drop: "rpath"},
	{promises: "stdio rpath wpath cpath", command: "sha256sum -c sums", before: "sha256sum a b > sums", stdout: `a: OK\nb: OK\n`, drop: "rpath"},
	{promises: "stdio rpath", command: "cksum a", stdout: `\d+ 14 a\n`, drop: "rpath"},
	{promises: "stdio rpath", command: "od -c a", stdout: `(?s)0000000   o   n   e.*`, drop: "rpath"},
	{promises: "stdio rpath", command: "hexdump -C a", stdout: `(?s)00000000  6f 6e 65.*`, drop: "rpath"},
	{promises: "stdio rpath", command: "strings -n 5 a", stdout: `three\n`, drop: "rpath"},
	{promises: "stdio rpath", command: "base64 a", stdout: `b25lCnR3bwp0aHJlZQo=\n`, drop: "rpath"},
	{promises: "stdio rpath prot_exec", command: "nm -D /bin/true", stdout: `(?s).* U .*`, drop: "prot_exec"},
	{promises: "stdio rpath wpath cpath fattr proc exec", command: "make -s all", before: "printf 'all: out\\n\\tcat out\\nout: a\\n\\tsort a > out\\n' > Makefile", stdout: `one\nthree\ntwo\n`, drop: "proc"},
	{promises: "stdio rpath wpath cpath fattr proc exec tmppath", command: "gcc -o hello hello.c", before: "echo 'int main() { return 0; }' > hello.c", drop: "proc"},
	{promises: "stdio", command: "busybox seq 3", stdout: `1\n2\n3\n`, drop: "stdio"},
	{promises: "stdio", command: "busybox date -u -d @0 +%Y", stdout: `1970\n`, drop: "stdio"},
	{promises: "stdio rpath", command: "busybox ls", stdout: `(?s)a\n.*`, drop: "rpath"},
	{promises: "stdio rpath getpw", command: "busybox ls -l a", stdout: `-rw-r--r-- .* a\n`, drop: "rpath", refused: `ls: a: Permission denied\n`},
	{promises: "stdio rpath", command: "busybox grep -c o a", stdout: `2\n`, drop: "rpath"},
	{promises: gzip, command: "busybox gzip a", drop: "cpath"},
	{promises: pax, command: "busybox tar cf x.tar a d", drop: "cpath"},
	{promises: ksh, command: "busybox sh -c 'busybox cat a | busybox sort > out; echo $(busybox cat out)'", stdout: `one three two\n`, drop: "proc"},
	{promises: "stdio rpath dns tty inet", command: "busybox wget -q -O - {http}/x", stdout: `hello /x\n`, drop: "inet dns", lacks: "inet"},
	{promises: "stdio rpath", command: "{musl}", stdout: `hello seccomp=[02] no_new_privs=[01]\n`, varies: true, drop: "stdio"},
	{promises: "stdio cpath", command: "{musl} mkdir made", status: 3, drop: "cpath"},
	{promises: "stdio", command: "{go}", stdout: `hello\n`, drop: "stdio"},
	{promises: "stdio", command: "{cgo}", stdout: `hello\n`, drop: "stdio"},
	{promises: "stdio cpath", command: "{go} made", status: 3, drop: "cpath"},
	{promises: "stdio cpath", command: "{cgo} made", status: 3, drop: "cpath"},
	{promises: "stdio rpath wpath cpath fattr getpw tty", command: "ssh-keygen -q -t ed25519 -N '' -C x -f key", varies: true, drop: "cpath"},
	{promises: "stdio rpath getpw tty", command: "ssh-keygen -l -f key.pub", before: "ssh-keygen -q -t ed25519 -N '' -C x -f key", stdout: `256 SHA256:.*\n`, varies: true, drop: "rpath", abi: devNull},
	{promises: "stdio rpath", command: "jq -c '.x+1' a.json", before: "echo '{\"x\": 41}' > a.json", stdout: `42\n`, drop: "rpath"},
	{promises: "stdio rpath wpath cpath flock fattr getpw", command: "sqlite3 db 'create table t(x); insert into t values(42); select * from t'", stdout: `42\n`, drop: "flock"},
	{promises: "stdio rpath", command: "getent passwd nobody", stdout: `nobody:.*\n`, drop: "rpath", lacks: "unix"},
	{promises: "stdio", command: "locale", stdout: `(?s)LANG=.*`, drop: "stdio", abi: devNull},
	{promises: "stdio rpath", linux: "prot_exec", why: "glibc has a library for each set of characters", command: "iconv -f latin1 -t utf-8 a", stdout: `one\ntwo\nthree\n`, drop: "rpath"},
	{promises: "stdio rpath proc exec", command: "timeout 60 cat a", stdout: `one\ntwo\nthree\n`, drop: "proc"},
	{promises: "stdio rpath proc exec", command: "nice -n 1 cat a", stdout: `one\ntwo\nthree\n`, drop: "exec"},
	{promises: "stdio rpath flock proc exec", linux: "cpath", why: "flock(1) makes the file that it locks", command: "flock lock cat a", stdout: `one\ntwo\nthree\n`, drop: "flock"},
}

// TestUtilities runs Debian's commands under OpenBSD's promises, unchanged: each
// by itself; under its promises, where it has to do the same; without each of
// those that only Linux needs, where it must not; and without one of the others,
// for which it has to be killed, or at least be refused.
func TestUtilities(t *testing.T) {
	if id, _ := os.ReadFile("/etc/os-release"); !regexp.MustCompile(`(?m)^ID(_LIKE)?="?debian`).Match(id) {
		t.Skip("the commands of other systems than Debian may have other needs")
	}
	command() // is found in the test's own PATH
	lab := newLab(t)
	t.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	t.Setenv("LC_ALL", "C.UTF-8")
	t.Setenv("TERM", "xterm")
	t.Setenv("HOME", lab.dir)
	t.Setenv("PYTHONDONTWRITEBYTECODE", "1") // where the system has not, and may not be written to
	for _, u := range slices.Concat(openbsd, others) {
		t.Run(u.command, func(t *testing.T) {
			args := lab.words(t, u.command)
			if _, err := exec.LookPath(args[0]); err != nil && !strings.HasPrefix(args[0], "./") {
				t.Skipf("no %s here", args[0])
			}
			if (u.linux == "") != (u.why == "") {
				t.Errorf("promises %q beyond OpenBSD's, because: %q", u.linux, u.why)
			}
			held, err := pledge.Parse(strings.TrimSpace(u.promises + " " + u.linux))
			if err != nil {
				t.Fatal(err)
			}
			skipUnsupported(t, held)
			if abi := pledge.Supported().Landlock; abi < u.abi {
				t.Skipf("this takes Landlock's ABI %d, this kernel has %d", u.abi, abi)
			}
			run := func(promises ...string) outcome {
				line := args
				if promises != nil {
					line = append([]string{command(), "run", "-p", promises[0], "--"}, args...)
				}
				return lab.run(t, u, line)
			}

			bare := run()
			if bare.status != u.status && regexp.MustCompile(`: not found|ModuleNotFoundError`).MatchString(bare.stderr) {
				t.Skipf("something that it needs is not here: %s", bare.stderr)
			}
			if bare.status != u.status || !regexp.MustCompile(`\A(?:`+u.stdout+`)\z`).MatchString(bare.stdout) {
				t.Fatalf("by itself it ends with status %d, signal %v, stdout %q, stderr %q; want status %d, stdout like %q",
					bare.status, bare.signal, bare.stdout, bare.stderr, u.status, u.stdout)
			}
			if got := run(held.String()); u.varies {
				got.want(t, u.status, u.stdout, regexp.QuoteMeta(bare.stderr))
			} else if diff := bare.differs(got); diff != "" {
				t.Errorf("under %q %s", held, diff)
			}
			for p := range parse(t, u.linux).All() {
				if without := held.Without(p); bare.differs(run(without.String())) == "" {
					t.Errorf("%q would do, without %v", without, p)
				}
			}
			if u.drop == "" {
				return
			}
			lacks := u.drop
			if u.lacks != "" {
				lacks = u.lacks
			}
			without := held &^ parse(t, u.drop)
			skipUnsupported(t, without)
			got := run(without.String())
			if u.refused != "" {
				if got.status == 0 || got.status == 159 || !regexp.MustCompile(`\A(?:`+u.refused+`)\z`).MatchString(got.stderr) {
					t.Errorf("under %q: status %d, stdout %q, stderr %q; want it to fail and to say %q", without, got.status, got.stdout, got.stderr, u.refused)
				}
				return
			}
			line := regexp.MustCompile(`(?m)^pledge: \S+\[\d+\]: \w+\(.*\) needs promises? "` + lacks + `"$`)
			if got.status != 159 || !line.MatchString(got.stderr) {
				t.Errorf("under %q: status %d, signal %v, stdout %q, stderr %q; want 159 and that it needs promise %q",
					without, got.status, got.signal, got.stdout, got.stderr, lacks)
			}
		})
	}
}

// skipUnsupported skips what this kernel cannot hold a program to.
func skipUnsupported(t *testing.T, s pledge.Set) {
	t.Helper()
	if _, err := (pledge.Config{}).Compile(s); errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
}

func parse(t *testing.T, promises string) pledge.Set {
	t.Helper()
	s, err := pledge.Parse(promises)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// An outcome is how a run ended and what it left.
type outcome struct {
	result
	files map[string]string // what is in the directory
}

// differs says what is other than it was.
func (o outcome) differs(got outcome) string {
	for path := range o.files {
		if _, ok := got.files[path]; !ok {
			got.files[path] = "nothing"
		}
	}
	for path, is := range got.files {
		if was := o.files[path]; is != was {
			return fmt.Sprintf("%s is %.200q, not %.200q; status %d, stderr %q", path, is, was, got.status, got.stderr)
		}
	}
	if got.result != o.result {
		return fmt.Sprintf("it ends with status %d, signal %v, stdout %q, stderr %q; not with status %d, signal %v, stdout %q, stderr %q",
			got.status, got.signal, got.stdout, got.stderr, o.status, o.signal, o.stdout, o.stderr)
	}
	return ""
}

// A lab is where utilities run: a directory that is made anew for each, and
// servers to talk to.
type lab struct {
	dir    string
	things map[string]func(t *testing.T) string
}

func newLab(t *testing.T) *lab {
	dir, err := os.MkdirTemp("/var/tmp", "pledge-lab") // /tmp is tmppath's
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l := &lab{dir: filepath.Join(dir, "lab")}
	is := func(s string) func(*testing.T) string { return func(*testing.T) string { return s } }
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello", r.URL.Path) })
	plain, secure := httptest.NewServer(hello), httptest.NewTLSServer(hello)
	t.Cleanup(plain.Close)
	t.Cleanup(secure.Close)
	_, port, _ := net.SplitHostPort(plain.Listener.Addr().String())
	l.things = map[string]func(*testing.T) string{
		"http":  is(plain.URL),
		"https": is(secure.URL),
		"port":  is(port),
		"tcp":   is(echo(t, "tcp", "127.0.0.1:0")),
		"unix":  is(echo(t, "unix", filepath.Join(t.TempDir(), "socket"))),
		"dns":   is(nameServer(t)),
		"tls":   is(echo(t, "tls", "127.0.0.1:0")),
		"away":  away,
		"pid":   is(strconv.Itoa(os.Getpid())),
		"uid":   is(strconv.Itoa(os.Getuid())),
		"musl":  func(t *testing.T) string { return build(t, "musl-gcc", "program.c", "-static") },
	}
	gotool, env := "go", slices.Clip(os.Environ()) // before the test changes it
	if path, err := exec.LookPath(gotool); err == nil {
		gotool = path
	}
	l.things["go"] = func(t *testing.T) string { return goProgram(t, gotool, "0", env) }
	l.things["cgo"] = func(t *testing.T) string { return goProgram(t, gotool, "1", env) }
	return l
}

// words splits a command as a shell does.
func (l *lab) words(t *testing.T, command string) []string {
	t.Helper()
	var out []string
	for _, word := range regexp.MustCompile(`(?:'[^']*'|[^' ])+`).FindAllString(command, -1) {
		if strings.HasPrefix(word, "{") || !strings.Contains(word, "'") {
			word = regexp.MustCompile(`\{\w+\}`).ReplaceAllStringFunc(word, func(name string) string {
				thing := l.things[name[1:len(name)-1]]
				if thing == nil {
					t.Skipf("no %s here", name)
				}
				return thing(t)
			})
		}
		out = append(out, strings.ReplaceAll(word, "'", ""))
	}
	return out
}

// run makes the directory and runs a command in it.
func (l *lab) run(t *testing.T, u utility, args []string) outcome {
	t.Helper()
	l.furnish(t)
	if u.before != "" {
		cmd := exec.Command("sh", "-ec", u.before)
		cmd.Dir = l.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("%s: %v\n%s", u.before, err, out)
		}
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = l.dir
	cmd.Stdin = strings.NewReader(u.stdin)
	cmd.Stdout, cmd.Stderr = new(bytes.Buffer), new(bytes.Buffer)
	if u.tty {
		tty := terminal(t)
		cmd.Stdin = tty
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	}
	return outcome{end(t, cmd), l.inventory(t)}
}

// furnish puts into the directory what utilities work on, always the same.
func (l *lab) furnish(t *testing.T) {
	t.Helper()
	os.RemoveAll(l.dir)
	var big strings.Builder
	for i := range 20000 {
		fmt.Fprintln(&big, i*7919%20000)
	}
	for name, content := range map[string]string{
		"a": "one\ntwo\nthree\n", "b": "2\n1\n1\n", "s1": "1\n2\n", "s2": "2\n3\n", "d/e": "E\n", "big": big.String(),
		"script": "#!/bin/sh\nread line < a\necho $0 $1 $line\n",
	} {
		path := filepath.Join(l.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	os.Chmod(filepath.Join(l.dir, "script"), 0o755)
	if err := os.Symlink("a", filepath.Join(l.dir, "link")); err != nil {
		t.Fatal(err)
	}
	date := time.Date(2020, 1, 2, 12, 0, 0, 0, time.UTC)
	filepath.WalkDir(l.dir, func(path string, _ fs.DirEntry, _ error) error {
		ts := unix.NsecToTimespec(date.UnixNano())
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// inventory tells what is in the directory: modes and contents.
func (l *lab) inventory(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(l.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(d.Name(), ".") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files[path] = info.Mode().String()
		switch info.Mode().Type() {
		case 0:
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			files[path] += " " + string(content)
		case fs.ModeSymlink:
			target, _ := os.Readlink(path)
			files[path] += " " + target
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// terminal makes a pseudo-terminal, of which it returns the end that programs
// see.
func terminal(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() })
	return slave
}

// away is a directory of another file system.
func away(t *testing.T) string {
	dir, err := os.MkdirTemp("/dev/shm", "pledge-test")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// goProgram compiles the Go program of testdata, unless $PLEDGE_PROGRAMS names a
// folder that has it.
func goProgram(t *testing.T, gotool, cgo string, env []string) string {
	t.Helper()
	if dir := os.Getenv("PLEDGE_PROGRAMS"); dir != "" {
		return filepath.Join(dir, "goprogram-"+cgo)
	}
	if _, err := exec.LookPath(gotool); err != nil {
		t.Skip("no go command here")
	}
	path := filepath.Join(t.TempDir(), "goprogram")
	cmd := exec.Command(gotool, "build", "-o", path, "./testdata/goprogram")
	cmd.Env = append(env, "CGO_ENABLED="+cgo)
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("go build does not work here: %v\n%s", err, msg)
	}
	return path
}

// echo starts a server that sends back a line, and returns its address, or port.
func echo(t *testing.T, network, address string) string {
	t.Helper()
	listen := net.Listen
	if network == "tls" {
		secure := httptest.NewUnstartedServer(nil)
		secure.StartTLS()
		t.Cleanup(secure.Close)
		network, listen = "tcp", func(network, address string) (net.Listener, error) { return tls.Listen(network, address, secure.TLS) }
	}
	l, err := listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	serve(l)
	if network == "unix" {
		return address
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func serve(l net.Listener) {
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 3)
				io.ReadFull(c, buf)
				c.Write(buf)
			}()
		}
	}()
}

// nameServer starts one that has the same address for every name, and returns
// its port.
func nameServer(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60},
					Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, 1}},
				}}
			}
			if answer, err := m.Pack(); err == nil {
				c.WriteTo(answer, from)
			}
		}
	}()
	_, port, _ := net.SplitHostPort(c.LocalAddr().String())
	return port
}
