package pledge_test

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"log"
	"log/slog"
	"log/syslog"
	"math"
	"math/big"
	randv1 "math/rand"
	randv2 "math/rand/v2"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
	"unsafe"

	"github.com/gopledge/pledge"
	"github.com/gopledge/pledge/pledgetest"
	"golang.org/x/sys/unix"
)

// The Go contract: programs that keep their promises, as a user would write
// them, and that must not notice the pledge. Each row does something the way
// a Go program does it and checks what came of it.

// A contractRow is one such program.
type contractRow struct {
	name     string // what the row proves
	promises string
	unless   func() string            // why the row cannot run here, or ""
	before   func(c contract)         // what the program does before it pledges, or nil
	f        func(c contract)         // what it does pledged
	child    func(c contract)         // a program that pledges by itself, instead of before and f
	end      func(*pledgetest.Result) // how it must end; nil for OK
	raw      bool                     // the row must start without a timer of the test's own
}

// contractLimit is how long a row may take, and contractPatience how long a
// step of one: on a slow machine all takes long, and only what hangs is wrong.
const (
	contractLimit    = 100 * time.Second
	contractPatience = 30 * time.Second
)

func TestGoContract(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range slices.Concat(
		contractTime, contractThreads, contractMemory, contractSignals, contractDeaths, contractProfiles,
		contractCalls, contractFiles, contractCopies, contractSockets, contractWeb, contractNames, contractUsers,
		contractPrograms, contractPledges,
	) {
		name := row.name
		if row.promises != "" || row.child == nil {
			name += " (" + row.promises + ")"
		}
		if seen[name] {
			t.Fatalf("two rows are called %q", name)
		}
		seen[name] = true
		t.Run(name, func(t *testing.T) {
			if row.unless != nil {
				if why := row.unless(); why != "" {
					t.Skip(why)
				}
			}
			if set, err := pledge.Parse(row.promises); err != nil {
				t.Fatal(err)
			} else if _, err := (pledge.Config{}).Compile(set); errors.Is(err, errors.ErrUnsupported) {
				t.Skip(err)
			}
			t.Chdir(t.TempDir())
			result := contractStart(t, row)
			if row.end == nil {
				row.end = func(r *pledgetest.Result) { r.OK() }
			}
			row.end(result)
		})
	}
}

func contractStart(t *testing.T, row contractRow) *pledgetest.Result {
	t.Helper()
	switch {
	case row.child != nil:
		return pledgetest.Child(t, func() error { return contractTry(row.raw, row.child) })
	case row.before != nil:
		return pledgetest.Child(t, func() error {
			if err := contractTry(true, row.before); err != nil {
				return fmt.Errorf("before the pledge: %w", err)
			}
			if err := pledge.Pledge(row.promises); err != nil {
				return err
			}
			return contractTry(row.raw, row.f)
		})
	}
	return pledgetest.Run(t, row.promises, func() error { return contractTry(row.raw, row.f) })
}

// contractTry runs f and turns a failed check into an error. Unless raw, f may
// take no longer than contractLimit. f has a goroutine of its own: a panic in
// that of the test would run the test's cleanups, which nobody promised.
func contractTry(raw bool, f func(contract)) error {
	if !raw {
		defer time.AfterFunc(contractLimit, func() { panic("the row takes too long") }).Stop()
	}
	done := make(chan error)
	go func() {
		done <- func() (err error) {
			defer func() {
				switch p := recover().(type) {
				case nil:
				case contractFailure:
					err = p.error
				default:
					panic(p)
				}
			}()
			f(contract{})
			return nil
		}()
	}()
	return <-done
}

// contract has the checks. A check that fails ends the row.
type contract struct{}

type contractFailure struct{ error }

func (contract) failf(skip int, format string, args ...any) {
	_, _, line, _ := runtime.Caller(skip + 1)
	panic(contractFailure{fmt.Errorf("line %d: %w", line, fmt.Errorf(format, args...))})
}

func (c contract) ok(err error) {
	if err != nil {
		c.failf(1, "%w", err)
	}
}

func (c contract) is(err, target error) {
	if !errors.Is(err, target) {
		c.failf(1, "error %v, want %v", err, target)
	}
}

func (c contract) eq(what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		c.failf(1, "%s is %.200q, want %.200q", what, fmt.Sprint(got), fmt.Sprint(want))
	}
}

func (c contract) true(what string, b bool) {
	if !b {
		c.failf(1, "%s: it is not so", what)
	}
}

// soon waits until cond holds.
func (c contract) soon(what string, cond func() bool) {
	for end := time.Now().Add(contractPatience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			c.failf(1, "%s: not within %v", what, contractPatience)
		}
	}
}

func (c contract) write(name, content string) { c.ok(os.WriteFile(name, []byte(content), 0o644)) }

func (c contract) read(name string) string {
	b, err := os.ReadFile(name)
	c.ok(err)
	return string(b)
}

func (c contract) pledge(promises string) { c.ok(pledge.Pledge(promises)) }

// contractRows gives several rows that differ in their promises.
func contractRows(row contractRow, promises ...string) []contractRow {
	var rows []contractRow
	for _, p := range promises {
		row.promises = p
		rows = append(rows, row)
	}
	return rows
}

// contractData returns n bytes that do not repeat soon.
func contractData(n int) []byte {
	b := make([]byte, n)
	r := randv2.New(randv2.NewPCG(1, 2))
	for i := 0; i+8 <= n; i += 8 {
		binary.LittleEndian.PutUint64(b[i:], r.Uint64())
	}
	return b
}

func contractNeedsFile(name string) func() string {
	return func() string {
		if _, err := os.Stat(name); err != nil {
			return err.Error()
		}
		return ""
	}
}

func contractNeedsRoot() string {
	if os.Geteuid() != 0 {
		return "only root can do this"
	}
	return ""
}

// A contractShell is a shell that was started before the pledge and looks at
// what the pledged program may not look at itself.
type contractShell struct {
	in  io.WriteCloser
	out io.Reader
}

func contractNewShell(c contract) contractShell {
	cmd := exec.Command("/bin/sh", "-s")
	in, err := cmd.StdinPipe()
	c.ok(err)
	out, err := cmd.StdoutPipe()
	c.ok(err)
	cmd.Stderr = cmd.Stdout
	c.ok(cmd.Start())
	return contractShell{in, out}
}

// ask runs the script, the last one, and returns its output.
func (s contractShell) ask(c contract, script string) string {
	_, err := io.WriteString(s.in, script)
	c.ok(err)
	c.ok(s.in.Close())
	out, err := io.ReadAll(s.out)
	c.ok(err)
	return string(out)
}

// contractPipe returns what f writes to the pipe.
func contractPipe(c contract, f func(w *os.File)) []byte {
	r, w, err := os.Pipe()
	c.ok(err)
	defer r.Close()
	got := make(chan []byte)
	go func() {
		b, err := io.ReadAll(r)
		c.ok(err)
		got <- b
	}()
	f(w)
	c.ok(w.Close())
	return <-got
}

/* ---- Time ---- */

var contractNewYork = contractNeedsFile("/usr/share/zoneinfo/America/New_York")

// contractZone makes a row that has TZ set and must print the two dates, in
// winter and in summer, like this.
func contractZone(tz, promises, winter, summer string) contractRow {
	return contractRow{
		name:     "local time with TZ=" + strings.ReplaceAll(tz, "/", " "),
		promises: promises,
		unless:   contractNewYork,
		before:   func(c contract) { c.ok(os.Setenv("TZ", tz)) },
		f: func(c contract) {
			c.eq("winter", time.Unix(1700000000, 0).Format(time.RFC3339), winter)
			c.eq("summer", time.Unix(1720000000, 0).Local().Format(time.RFC3339), summer)
			var buf bytes.Buffer
			log.New(&buf, "", log.LstdFlags).Println("hello")
			stamp, text := buf.String()[:19], buf.String()[19:]
			c.eq("the text", text, " hello\n")
			logged, err := time.ParseInLocation("2006/01/02 15:04:05", stamp, time.Local)
			c.ok(err)
			c.true("the log's time is now", time.Since(logged) < contractPatience && time.Since(logged) > -time.Second)
		},
	}
}

var contractTime = slices.Concat([]contractRow{
	contractZone("America/New_York", "stdio", "2023-11-14T17:13:20-05:00", "2024-07-03T05:46:40-04:00"),
	contractZone("America/New_York", "", "2023-11-14T17:13:20-05:00", "2024-07-03T05:46:40-04:00"),
	contractZone("America/New_York", "stdio rpath", "2023-11-14T17:13:20-05:00", "2024-07-03T05:46:40-04:00"),
	contractZone("America/New_York", "stdio dns inet", "2023-11-14T17:13:20-05:00", "2024-07-03T05:46:40-04:00"),
	contractZone(":America/New_York", "stdio", "2023-11-14T17:13:20-05:00", "2024-07-03T05:46:40-04:00"),
	contractZone("/usr/share/zoneinfo/America/New_York", "stdio", "2023-11-14T17:13:20-05:00", "2024-07-03T05:46:40-04:00"),
	contractZone("", "stdio", "2023-11-14T22:13:20Z", "2024-07-03T09:46:40Z"),
	contractZone("No/Such_Zone", "stdio", "2023-11-14T22:13:20Z", "2024-07-03T09:46:40Z"),
	{
		name:     "log and slog to standard error with the zone of TZ",
		promises: "stdio",
		unless:   contractNewYork,
		before:   func(c contract) { c.ok(os.Setenv("TZ", "America/New_York")) },
		f: func(c contract) {
			log.Println("logged at", time.Unix(1700000000, 0))
			slog.Info("structured", "at", time.Unix(1700000000, 0))
		},
		end: func(r *pledgetest.Result) {
			r.OK().Printed("logged at 2023-11-14 17:13:20 -0500 EST").Printed("INFO structured at=2023-11-14T17:13:20.000-05:00")
		},
	},
	func() contractRow {
		want := time.UTC
		return contractRow{
			name:     "local time from etc localtime",
			promises: "stdio",
			before: func(c contract) {
				c.ok(os.Unsetenv("TZ"))
				if data, err := os.ReadFile("/etc/localtime"); err == nil {
					want, err = time.LoadLocationFromTZData("here", data)
					c.ok(err)
				}
			},
			f: func(c contract) {
				at := time.Unix(1720000000, 0)
				c.eq("the date", at.Local().Format(time.RFC3339), at.In(want).Format(time.RFC3339))
			},
		}
	}(),
	{
		name:     "time.LoadLocation",
		promises: "stdio rpath",
		unless:   contractNeedsFile("/usr/share/zoneinfo/Asia/Tokyo"),
		f: func(c contract) {
			tokyo, err := time.LoadLocation("Asia/Tokyo")
			c.ok(err)
			c.eq("the date", time.Unix(1700000000, 0).In(tokyo).Format(time.RFC3339), "2023-11-15T07:13:20+09:00")
			_, err = time.LoadLocation("No/Such_Zone")
			c.true("an unknown zone is an error", err != nil)
		},
	},
},
	contractRows(contractRow{
		name: "sleep, tickers, timers, contexts",
		raw:  true,
		f: func(c contract) {
			start := time.Now()
			time.Sleep(20 * time.Millisecond)
			c.true("Sleep sleeps", time.Since(start) >= 20*time.Millisecond)

			ticker := time.NewTicker(2 * time.Millisecond)
			for range 5 {
				<-ticker.C
			}
			ticker.Reset(time.Millisecond)
			<-ticker.C
			ticker.Stop()

			done := make(chan int)
			time.AfterFunc(5*time.Millisecond, func() { done <- 42 })
			c.eq("what AfterFunc sends", <-done, 42)
			timer := time.NewTimer(time.Hour)
			c.true("the timer was running", timer.Reset(time.Millisecond))
			<-timer.C

			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
			defer cancel()
			<-ctx.Done()
			c.is(ctx.Err(), context.DeadlineExceeded)

			var fired atomic.Int32
			for range 1000 {
				time.AfterFunc(randv2.N(10*time.Millisecond), func() { fired.Add(1) })
			}
			c.soon("1000 timers fire", func() bool { return fired.Load() == 1000 })
		},
	}, "", "stdio"),
	[]contractRow{func() contractRow {
		var ticker *time.Ticker
		var timer *time.Timer
		return contractRow{
			name:     "timers that were started before the pledge",
			promises: "stdio",
			before: func(contract) {
				ticker = time.NewTicker(3 * time.Millisecond)
				timer = time.NewTimer(20 * time.Millisecond)
			},
			f: func(c contract) {
				for range 3 {
					<-ticker.C
				}
				<-timer.C
			},
		}
	}()},
)

/* ---- Threads and goroutines ---- */

// contractLocked has n goroutines block on a thread of their own each, all at
// once, and then end, every second one together with its thread.
func contractLocked(c contract, n int) {
	var ready, done sync.WaitGroup
	release := make(chan struct{})
	tids := make([]int, n)
	for i := range n {
		ready.Add(1)
		done.Go(func() {
			runtime.LockOSThread()
			if i%2 == 0 {
				defer runtime.UnlockOSThread()
			}
			tids[i] = unix.Gettid()
			ready.Done()
			<-release
			ts := unix.Timespec{Nsec: 1e6}
			if err := unix.Nanosleep(&ts, nil); err != unix.EINTR { // by a signal of the runtime
				c.ok(err)
			}
		})
	}
	ready.Wait()
	close(release)
	done.Wait()
	slices.Sort(tids)
	c.eq("the number of threads", len(slices.Compact(tids)), n)
}

// contractSpawn makes threads that end at once, until stop is called.
func contractSpawn() (made *atomic.Int32, stop func()) {
	made = new(atomic.Int32)
	var stopped atomic.Bool
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for !stopped.Load() {
				end := make(chan bool)
				go func() {
					runtime.LockOSThread() // and never unlock: the thread ends
					made.Add(1)
					close(end)
				}()
				<-end
				time.Sleep(50 * time.Microsecond) // or others starve on one CPU
			}
		})
	}
	return made, func() { stopped.Store(true); wg.Wait() }
}

// contractStuck blocks a thread in read(2) until the pipe is written to.
func contractStuck(c contract, got *atomic.Int32) (wake func()) {
	var p [2]int
	c.ok(unix.Pipe2(p[:], unix.O_CLOEXEC)) // not known to the poller
	go func() {
		n, err := unix.Read(p[0], make([]byte, 8))
		c.ok(err)
		got.Add(int32(n))
	}()
	return func() {
		_, err := unix.Write(p[1], []byte("x"))
		c.ok(err)
	}
}

var contractThreads = slices.Concat(
	contractRows(contractRow{
		name: "64 threads at once",
		raw:  true,
		f:    func(c contract) { contractLocked(c, 64) },
	}, "", "stdio", "stdio rpath", "stdio inet dns", "stdio getpw", "stdio tmppath"),
	[]contractRow{
		func() contractRow {
			var stuck atomic.Int32
			var wakes []func()
			return contractRow{
				name:     "16 threads in system calls while the process pledges",
				promises: "stdio",
				before: func(c contract) {
					for range 16 {
						wakes = append(wakes, contractStuck(c, &stuck))
					}
				},
				f: func(c contract) {
					for _, wake := range wakes {
						wake()
					}
					c.soon("all reads return", func() bool { return stuck.Load() == 16 })
					contractLocked(c, 32)
				},
			}
		}(),
		{
			name: "threads are made and end while the process pledges",
			child: func(c contract) {
				made, stop := contractSpawn()
				more := func(when string) {
					n := made.Load()
					c.soon("threads are made "+when, func() bool { return made.Load() > n+30 })
				}
				more("before the pledge")
				c.pledge("stdio rpath")
				more("after the pledge")
				c.pledge("stdio")
				more("after the second pledge")
				stop()
				contractLocked(c, 64)
			},
		},
		{
			name: "every thread is filtered, also those that are made during the pledge",
			child: func(c contract) {
				made, stop := contractSpawn()
				c.soon("threads are made", func() bool { return made.Load() > 10 })
				c.pledge("stdio rpath")
				stop()
				tasks, err := os.ReadDir("/proc/self/task")
				c.ok(err)
				checked := 0
				for _, task := range tasks {
					status, err := os.ReadFile("/proc/self/task/" + task.Name() + "/status")
					if err != nil {
						continue // it has ended
					}
					checked++
					c.true("thread "+task.Name()+" has a filter", strings.Contains(string(status), "\nSeccomp:\t2\n"))
				}
				c.true("several threads were looked at", checked > 2)
			},
		},
		{
			name: "a pledge from a goroutine on a thread of its own, which then ends",
			child: func(c contract) {
				done := make(chan error)
				go func() {
					runtime.LockOSThread()
					done <- pledge.Pledge("stdio")
				}()
				c.ok(<-done)
				contractLocked(c, 24)
			},
		},
		{
			name:     "GOMAXPROCS stays what it was",
			promises: "stdio",
			unless: func() string {
				if runtime.GOMAXPROCS(0) < 2 {
					return "there is one CPU only"
				}
				return ""
			},
			f: func(c contract) {
				before, cpus := runtime.GOMAXPROCS(0), runtime.NumCPU()
				for range 30 {
					time.Sleep(100 * time.Millisecond)
					go func() { _ = contractData(1 << 12) }()
				}
				c.eq("GOMAXPROCS", runtime.GOMAXPROCS(0), before)
				runtime.SetDefaultGOMAXPROCS()
				c.eq("GOMAXPROCS by default", runtime.GOMAXPROCS(0), before)
				c.eq("NumCPU", runtime.NumCPU(), cpus)
			},
		},
		{
			name:     "a loop without calls is preempted",
			promises: "",
			f: func(c contract) {
				var stop bool
				var n uint64
				go func() {
					for !stop {
						n++
					}
				}()
				time.Sleep(5 * time.Millisecond)
				start := time.Now()
				for range 3 {
					runtime.GC()
				}
				c.true("the collector got through", time.Since(start) < contractPatience)
			},
		},
		{
			name:     "changes of GOMAXPROCS and a thousand goroutines",
			promises: "",
			f: func(c contract) {
				for n := 1; n <= 8; n++ {
					runtime.GOMAXPROCS(n)
					var wg sync.WaitGroup
					var mu sync.Mutex
					sum := 0
					for i := range 1000 {
						wg.Go(func() { mu.Lock(); sum += i; mu.Unlock() })
					}
					wg.Wait()
					c.eq("the sum", sum, 499500)
				}
			},
		},
	},
)

/* ---- Memory ---- */

// contractChurn allocates 200 MB in all and keeps some of it.
func contractChurn(c contract) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			var keep [][]byte
			for i := range 50 {
				b := make([]byte, 1<<19)
				b[i] = byte(g)
				if i%5 == 0 {
					keep = append(keep, b)
				}
				for range 100 {
					_ = make([]byte, randv2.N(2048))
				}
			}
			for i, b := range keep {
				c.eq("a byte that was kept", b[i*5], byte(g))
			}
		})
	}
	wg.Wait()
	runtime.GC()
	debug.FreeOSMemory()
	runtime.ReadMemStats(&after)
	c.true("200 MB were allocated", after.TotalAlloc-before.TotalAlloc > 200<<20)
	c.true("the collector ran", after.NumGC > before.NumGC+2)
	c.true("memory was given back", after.HeapReleased > 1<<20)
}

var contractMemory = slices.Concat(
	contractRows(contractRow{
		name: "the collector and the scavenger under load",
		raw:  true,
		f:    contractChurn,
	}, "", "stdio"),
	contractRows(contractRow{
		name: "a heap of more than a gigabyte, most of it never touched",
		f: func(c contract) {
			big := make([]byte, 3<<29)
			big[len(big)-1] = 7
			runtime.GC()
			c.eq("the last byte", big[len(big)-1], byte(7))
			big = nil
			debug.FreeOSMemory()
		},
	}, "", "stdio"),
	[]contractRow{
		{
			name:     "a memory limit and a deep stack",
			promises: "",
			f: func(c contract) {
				debug.SetMemoryLimit(32 << 20)
				debug.SetGCPercent(20)
				contractChurn(c)
				var dive func(n int) int
				dive = func(n int) int {
					var pad [64]byte
					if n == 0 {
						return int(pad[0])
					}
					return dive(n-1) + 1
				}
				c.eq("the depth", dive(200000), 200000)
			},
		},
		{
			name:     "random numbers, map seeds, hashes",
			promises: "",
			f: func(c contract) {
				var mu sync.Mutex
				seen := map[[32]byte]bool{}
				var wg sync.WaitGroup
				for range 64 {
					wg.Go(func() {
						runtime.LockOSThread()
						for range 20 {
							var b [32]byte
							_, err := rand.Read(b[:])
							c.ok(err)
							mu.Lock()
							seen[b] = true
							mu.Unlock()
						}
					})
				}
				wg.Wait()
				c.eq("different random blocks", len(seen), 64*20)
				c.true("rand.Text is long", len(rand.Text()) >= 26)
				_, err := rand.Int(rand.Reader, big.NewInt(1<<40))
				c.ok(err)
				first, second := randv1.Int63(), randv1.Int63()
				c.true("v1 differs", first != second)
				one, other := randv2.Uint64(), randv2.Uint64()
				c.true("v2 differs", one != other)
				hash := func() uint64 { return maphash.String(maphash.MakeSeed(), "x") }
				here, there := hash(), hash()
				c.true("seeds differ", here != there)
			},
		},
		{
			name:     "keys, signatures, certificates",
			promises: "stdio",
			f: func(c contract) {
				cert, pool := contractCertificate(c)
				_, err := cert.Leaf.Verify(x509.VerifyOptions{Roots: pool})
				c.ok(err)
				_, err = cert.Leaf.Verify(x509.VerifyOptions{Roots: x509.NewCertPool()})
				c.true("an unknown authority is an error", err != nil)
			},
		},
		{
			name:     "anonymous mappings, mlock, mprotect, mremap, madvise",
			promises: "stdio",
			f: func(c contract) {
				page := os.Getpagesize()
				b, err := syscall.Mmap(-1, 0, 4*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
				c.ok(err)
				b[page] = 9
				c.ok(unix.Mlock(b))
				c.ok(unix.Munlock(b))
				c.ok(unix.Mprotect(b, unix.PROT_READ))
				c.ok(unix.Madvise(b, unix.MADV_WILLNEED))
				c.eq("the byte", b[page], byte(9))
				c.ok(syscall.Munmap(b))
				b, err = unix.Mmap(-1, 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_SHARED)
				c.ok(err)
				b[0] = 5
				b, err = unix.Mremap(b, 2*page, unix.MREMAP_MAYMOVE)
				c.ok(err)
				c.eq("the byte after mremap", b[0], byte(5))
				c.ok(unix.Munmap(b))
			},
		},
		{
			name:     "memory for generated code",
			promises: "stdio prot_exec",
			f: func(c contract) {
				b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
				c.ok(err)
				b[0] = 0xc3
				c.ok(unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC))
				c.eq("the code", b[0], byte(0xc3))
				_, err = unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
				c.ok(err)
			},
		},
		func() contractRow {
			var f *os.File
			return contractRow{
				name:     "a file that is open can be mapped, private and shared",
				promises: "stdio",
				before: func(c contract) {
					c.write("data", strings.Repeat("0123456789abcdef", 1024))
					var err error
					f, err = os.OpenFile("data", os.O_RDWR, 0)
					c.ok(err)
				},
				f: func(c contract) {
					b, err := syscall.Mmap(int(f.Fd()), 0, 16384, syscall.PROT_READ, syscall.MAP_PRIVATE)
					c.ok(err)
					c.eq("the content", string(b[4096:4112]), "0123456789abcdef")
					c.ok(syscall.Munmap(b))
					b, err = syscall.Mmap(int(f.Fd()), 0, 16384, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
					c.ok(err)
					copy(b[100:], "changed")
					c.ok(unix.Msync(b, unix.MS_SYNC))
					c.ok(syscall.Munmap(b))
					got := make([]byte, 7)
					_, err = f.ReadAt(got, 100)
					c.ok(err)
					c.eq("the change", string(got), "changed")
				},
			}
		}(),
	},
)

/* ---- Signals ---- */

// contractStop makes the shell of contractStopped begin.
var contractStop io.Writer

// contractStopped starts a shell that stops the process a fifth of a second
// after a line was written to contractStop, and continues it after another.
func contractStopped(c contract) {
	pid := strconv.Itoa(os.Getpid())
	cmd := exec.Command("/bin/sh", "-c", "read line; sleep .2; kill -STOP "+pid+"; sleep .2; kill -CONT "+pid)
	var err error
	contractStop, err = cmd.StdinPipe()
	c.ok(err)
	c.ok(cmd.Start())
}

// contractOutlast waits for a second in every way there is, and makes sure
// that the process stood still for a while.
func contractOutlast(c contract, ways ...func()) {
	io.WriteString(contractStop, "now\n")
	var wg sync.WaitGroup
	for _, way := range ways {
		wg.Go(way)
	}
	var gap time.Duration
	last, end := time.Now(), time.Now().Add(contractPatience)
	for gap <= 100*time.Millisecond && time.Now().Before(end) {
		time.Sleep(2 * time.Millisecond)
		gap = max(gap, time.Since(last))
		last = time.Now()
	}
	wg.Wait()
	c.true("the process was stopped for 0.1 s at least", gap > 100*time.Millisecond)
}

func contractNanosleep(c contract) func() {
	return func() {
		runtime.LockOSThread()
		start := time.Now()
		for rest := (unix.Timespec{Sec: 1}); ; {
			err := unix.Nanosleep(&rest, &rest)
			if err == nil {
				break
			}
			c.is(err, unix.EINTR)
		}
		c.true("nanosleep sleeps", time.Since(start) >= time.Second)
	}
}

var contractSignals = []contractRow{
	{
		name:     "stop and continue while the threads wait",
		promises: "stdio",
		before:   contractStopped,
		f: func(c contract) {
			r, _, err := os.Pipe()
			c.ok(err)
			contractOutlast(c,
				func() { time.Sleep(time.Second) },
				contractNanosleep(c),
				contractNanosleep(c),
				func() { // epoll_pwait
					c.ok(r.SetReadDeadline(time.Now().Add(time.Second)))
					_, err := r.Read(make([]byte, 1))
					c.is(err, os.ErrDeadlineExceeded)
				},
				func() { // poll or ppoll, clock_nanosleep: what the kernel restarts by itself
					start := time.Now()
					for time.Since(start) < 900*time.Millisecond {
						_, err := unix.Poll(nil, 1000)
						c.true("poll", err == nil || err == unix.EINTR)
					}
				},
				func() {
					ts := unix.Timespec{Sec: 1}
					err := unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, nil)
					c.true("clock_nanosleep", err == nil || err == unix.EINTR)
				},
			)
		},
	},
	{
		name:     "stop and continue with nothing promised",
		promises: "",
		before:   contractStopped,
		f: func(c contract) {
			contractOutlast(c, func() { time.Sleep(time.Second) }, contractNanosleep(c), contractNanosleep(c))
		},
	},
	{
		name:     "a process that only sleeps is stopped and continued",
		promises: "stdio",
		raw:      true,
		before:   contractStopped,
		f: func(c contract) {
			io.WriteString(contractStop, "now\n")
			start := time.Now()
			time.Sleep(700 * time.Millisecond)
			c.true("it slept", time.Since(start) >= 700*time.Millisecond)
		},
	},
	{
		name:     "signals to itself",
		promises: "stdio",
		f: func(c contract) {
			got := make(chan os.Signal, 8)
			signal.Notify(got, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGCONT, syscall.SIGHUP, syscall.SIGWINCH)
			for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGCONT, syscall.SIGHUP, syscall.SIGWINCH} {
				c.ok(syscall.Kill(os.Getpid(), s))
				c.eq("the signal", <-got, os.Signal(s))
			}
			c.ok(unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGUSR1))
			c.eq("the signal by tgkill", <-got, os.Signal(syscall.SIGUSR1))
			c.ok(syscall.Kill(os.Getpid(), 0))

			signal.Ignore(syscall.SIGUSR1, syscall.SIGTERM, syscall.SIGTSTP)
			c.true("SIGUSR1 is ignored", signal.Ignored(syscall.SIGUSR1))
			for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGTERM, syscall.SIGTSTP} {
				c.ok(syscall.Kill(os.Getpid(), s))
			}
			signal.Reset(syscall.SIGTERM, syscall.SIGTSTP)
			signal.Stop(got)
			time.Sleep(5 * time.Millisecond)
			c.eq("signals left", len(got), 0)

			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
			c.ok(syscall.Kill(os.Getpid(), syscall.SIGINT))
			<-ctx.Done()
			stop()
		},
	},
	{
		name:     "os.FindProcess for itself",
		promises: "stdio",
		f: func(c contract) {
			got := make(chan os.Signal, 1)
			signal.Notify(got, syscall.SIGUSR1)
			p, err := os.FindProcess(os.Getpid())
			c.ok(err)
			c.ok(p.Signal(syscall.SIGUSR1))
			c.eq("the signal", <-got, os.Signal(syscall.SIGUSR1))
			c.ok(p.Signal(syscall.Signal(0)))
			c.ok(p.Release())
		},
	},
	func() contractRow {
		var self *os.Process
		got := make(chan os.Signal, 1)
		return contractRow{
			name:     "signals to itself by a handle from before the pledge",
			promises: "stdio proc",
			before: func(c contract) {
				signal.Notify(got, syscall.SIGTERM)
				var err error
				self, err = os.FindProcess(os.Getpid())
				c.ok(err)
			},
			f: func(c contract) {
				c.ok(self.Signal(syscall.SIGTERM))
				c.eq("the signal", <-got, os.Signal(syscall.SIGTERM))
			},
		}
	}(),
	func() contractRow {
		got := make(chan os.Signal, 100)
		return contractRow{
			name:     "signals from others, also to blocked threads",
			promises: "stdio",
			before: func(c contract) {
				signal.Notify(got, syscall.SIGUSR1)
				pid := strconv.Itoa(os.Getpid())
				c.ok(exec.Command("/bin/sh", "-c", "for i in 1 2 3 4 5; do sleep .05; kill -USR1 "+pid+"; done").Start())
			},
			f: func(c contract) {
				var stuck atomic.Int32
				wakes := make([]func(), 8)
				for i := range wakes {
					wakes[i] = contractStuck(c, &stuck)
				}
				for range 5 {
					<-got
				}
				for _, wake := range wakes {
					wake()
				}
				c.soon("all reads return", func() bool { return stuck.Load() == 8 })
			},
		}
	}(),
	{
		name:     "an interval timer, signalfd, sigprocmask",
		promises: "stdio",
		f: func(c contract) {
			got := make(chan os.Signal, 1)
			signal.Notify(got, syscall.SIGALRM)
			_, err := unix.Setitimer(unix.ITIMER_REAL, unix.Itimerval{Value: unix.Timeval{Usec: 5000}})
			c.ok(err)
			c.eq("the signal", <-got, os.Signal(syscall.SIGALRM))

			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var set, old unix.Sigset_t
			set.Val[0] = 1 << (unix.SIGUSR2 - 1)
			c.ok(unix.PthreadSigmask(unix.SIG_BLOCK, &set, &old))
			fd, err := unix.Signalfd(-1, &set, unix.SFD_CLOEXEC)
			c.ok(err)
			c.ok(unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGUSR2))
			var info [unsafe.Sizeof(unix.SignalfdSiginfo{})]byte
			_, err = unix.Read(fd, info[:])
			c.ok(err)
			c.eq("the signal in the signalfd", binary.NativeEndian.Uint32(info[:]), uint32(unix.SIGUSR2))
			c.ok(unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil))
		},
	},
	{
		name:     "faults that the program recovers from",
		promises: "stdio",
		before:   func(c contract) { c.write("data", strings.Repeat("x", 8192)) },
		f: func(c contract) {
			recovered := func(f func()) (msg string) {
				defer func() { msg = fmt.Sprint(recover()) }()
				f()
				return ""
			}
			var p *int
			zero := 0
			c.true("a nil pointer", strings.Contains(recovered(func() { *p = 1 }), "nil pointer"))
			c.true("a division by zero", strings.Contains(recovered(func() { zero = 1 / zero }), "divide by zero"))
			b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ, unix.MAP_ANON|unix.MAP_PRIVATE)
			c.ok(err)
			debug.SetPanicOnFault(true)
			c.true("a write to what is read-only", strings.Contains(recovered(func() { b[0] = 1 }), "invalid memory address"))
		},
	},
}

/* ---- Ways to die ---- */

var contractDeaths = []contractRow{
	{
		name:     "os.Exit",
		promises: "",
		raw:      true,
		f:        func(contract) { os.Exit(3) },
		end:      func(r *pledgetest.Result) { r.Exited(3) },
	},
	{
		name:     "panic prints its trace",
		promises: "",
		raw:      true,
		f:        func(contract) { panic("so long") },
		end:      func(r *pledgetest.Result) { r.Exited(2).Printed("panic: so long").Printed("contractTry.func") },
	},
	{
		name:     "panic in a goroutine on a thread of its own",
		promises: "stdio",
		f: func(contract) {
			go func() { runtime.LockOSThread(); panic("so long") }()
			select {}
		},
		end: func(r *pledgetest.Result) { r.Exited(2).Printed("panic: so long").Printed("created by") },
	},
	{
		name:     "a nil pointer",
		promises: "stdio",
		f: func(contract) {
			var p *int
			*p = 1
		},
		end: func(r *pledgetest.Result) { r.Exited(2).Printed("SIGSEGV: segmentation violation") },
	},
	{
		name:     "a stack that overflows",
		promises: "stdio",
		f: func(contract) {
			debug.SetMaxStack(1 << 20)
			var dive func(n int) int
			dive = func(n int) int { return dive(n+1) + 1 }
			dive(0)
		},
		end: func(r *pledgetest.Result) { r.Exited(2).Printed("stack overflow") },
	},
	{
		name:     "log.Fatal",
		promises: "stdio",
		f:        func(contract) { log.Fatal("so long") },
		end:      func(r *pledgetest.Result) { r.Exited(1).Printed("so long") },
	},
	{
		name:     "GOTRACEBACK=crash ends by SIGABRT",
		promises: "stdio",
		before: func(c contract) {
			c.ok(syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}))
			debug.SetTraceback("crash")
		},
		f: func(c contract) {
			var stuck atomic.Int32
			contractStuck(c, &stuck)
			panic("so long")
		},
		end: func(r *pledgetest.Result) { r.KilledBy(syscall.SIGABRT).Printed("panic: so long") },
	},
	{
		name:     "GOTRACEBACK=crash with nothing promised and busy threads",
		promises: "",
		before: func(c contract) {
			c.ok(syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}))
			debug.SetTraceback("crash")
		},
		f: func(contract) {
			var spins atomic.Int64
			for range 3 {
				go func() {
					for {
						spins.Add(1)
					}
				}()
			}
			time.Sleep(20 * time.Millisecond)
			panic("so long")
		},
		end: func(r *pledgetest.Result) { r.KilledBy(syscall.SIGABRT).Printed("panic: so long") },
	},
	{
		name:     "SIGQUIT prints all goroutines",
		promises: "stdio",
		f: func(c contract) {
			c.ok(syscall.Kill(os.Getpid(), syscall.SIGQUIT))
			select {}
		},
		end: func(r *pledgetest.Result) { r.Exited(2).Printed("SIGQUIT: quit").Printed("goroutine ") },
	},
	{
		name:     "SIGTERM that nobody waits for",
		promises: "",
		f: func(c contract) {
			c.ok(syscall.Kill(os.Getpid(), syscall.SIGTERM))
			select {}
		},
		end: func(r *pledgetest.Result) { r.KilledBy(syscall.SIGTERM) },
	},
	{
		name:     "SIGABRT",
		promises: "stdio",
		before:   func(c contract) { c.ok(syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})) },
		f: func(c contract) {
			c.ok(syscall.Kill(os.Getpid(), syscall.SIGABRT))
			select {}
		},
		end: func(r *pledgetest.Result) { r.Exited(2).Printed("SIGABRT: abort") },
	},
	{
		name:     "a write to a standard output that is gone",
		promises: "stdio",
		f: func(c contract) {
			r, w, err := os.Pipe()
			c.ok(err)
			c.ok(unix.Dup3(int(w.Fd()), 1, 0))
			c.ok(r.Close())
			fmt.Println("nobody reads this")
			select {}
		},
		end: func(r *pledgetest.Result) { r.KilledBy(syscall.SIGPIPE) },
	},
	{
		name:     "a write to another pipe that is gone is an error",
		promises: "stdio",
		f: func(c contract) {
			r, w, err := os.Pipe()
			c.ok(err)
			c.ok(r.Close())
			_, err = w.WriteString("nobody reads this")
			c.is(err, syscall.EPIPE)
		},
	},
	func() contractRow {
		var out *os.File
		return contractRow{
			name:     "a crash is written to a second file",
			promises: "stdio",
			before:   func(c contract) { out = os.NewFile(1, "stdout") },
			f: func(c contract) {
				c.ok(debug.SetCrashOutput(out, debug.CrashOptions{}))
				panic("twice")
			},
			end: func(r *pledgetest.Result) {
				r.Exited(2)
				if r.ExitCode == 2 && !(strings.Contains(r.Stdout, "panic: twice") && strings.Contains(r.Stderr, "panic: twice")) {
					r.Printed("panic: twice, on both files")
				}
			},
		}
	}(),
}

/* ---- Profiles and traces ---- */

// contractBusy computes for a while.
func contractBusy(d time.Duration) {
	for start, x := time.Now(), 1.0; time.Since(start) < d; {
		for range 10000 {
			x = math.Sqrt(x + 1)
		}
	}
}

var contractGzip = string([]byte{0x1f, 0x8b})

var contractProfiles = slices.Concat(
	contractRows(contractRow{
		name: "a CPU profile",
		f: func(c contract) {
			var buf bytes.Buffer
			c.ok(pprof.StartCPUProfile(&buf))
			contractLocked(c, 12)
			contractBusy(100 * time.Millisecond)
			pprof.StopCPUProfile()
			c.true("a profile was written", strings.HasPrefix(buf.String(), contractGzip) && buf.Len() > 200)
		},
	}, "stdio rpath"),
	[]contractRow{
		func() contractRow {
			var buf bytes.Buffer
			return contractRow{
				name:     "a CPU profile that was started before the pledge",
				promises: "stdio rpath",
				before:   func(c contract) { c.ok(pprof.StartCPUProfile(&buf)) },
				f: func(c contract) {
					contractLocked(c, 12)
					contractBusy(50 * time.Millisecond)
					pprof.StopCPUProfile()
					c.true("a profile was written", strings.HasPrefix(buf.String(), contractGzip) && buf.Len() > 200)
				},
			}
		}(),
		{
			name:     "heap and other profiles",
			promises: "stdio rpath",
			f: func(c contract) {
				for _, name := range []string{"heap", "allocs", "goroutine", "threadcreate", "block", "mutex"} {
					var buf bytes.Buffer
					c.ok(pprof.Lookup(name).WriteTo(&buf, 0))
					c.true(name+" was written", strings.HasPrefix(buf.String(), contractGzip))
				}
			},
		},
		{
			name:     "profiles as text",
			promises: "stdio",
			f: func(c contract) {
				var buf bytes.Buffer
				c.ok(pprof.Lookup("goroutine").WriteTo(&buf, 2))
				c.true("goroutines were written", strings.Contains(buf.String(), "contractTry"))
				buf.Reset()
				c.ok(pprof.Lookup("heap").WriteTo(&buf, 1))
				c.true("the heap was written", strings.Contains(buf.String(), "# MaxRSS"))
				c.true("the stack is there", bytes.Contains(debug.Stack(), []byte("contractTry")))
			},
		},
		{
			name:     "an execution trace and a flight recorder",
			promises: "stdio",
			f: func(c contract) {
				var buf bytes.Buffer
				c.ok(trace.Start(&buf))
				contractLocked(c, 8)
				runtime.GC()
				trace.Stop()
				c.true("a trace was written", strings.HasPrefix(buf.String(), "go 1.") && buf.Len() > 500)

				recorder := trace.NewFlightRecorder(trace.FlightRecorderConfig{})
				c.ok(recorder.Start())
				runtime.GC()
				buf.Reset()
				_, err := recorder.WriteTo(&buf)
				c.ok(err)
				recorder.Stop()
				c.true("a record was written", strings.HasPrefix(buf.String(), "go 1."))
			},
		},
	},
)

/* ---- Single calls under stdio ---- */

var contractCalls = []contractRow{
	{
		name:     "limits, usage, identity, names",
		promises: "stdio",
		f: func(c contract) {
			var lim syscall.Rlimit
			c.ok(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim))
			c.true("there is a limit", lim.Cur > 0)
			var plim unix.Rlimit
			c.ok(unix.Prlimit(0, unix.RLIMIT_STACK, nil, &plim))
			for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN, unix.RUSAGE_THREAD} {
				var use syscall.Rusage
				c.ok(syscall.Getrusage(who, &use))
				c.true("memory was used", who != syscall.RUSAGE_SELF || use.Maxrss > 0)
			}
			old := syscall.Umask(0o27)
			c.eq("the umask", syscall.Umask(old), 0o27)

			host, err := os.Hostname()
			c.ok(err)
			var uts unix.Utsname
			c.ok(unix.Uname(&uts))
			c.eq("the host name", host, unix.ByteSliceToString(uts.Nodename[:]))
			var info unix.Sysinfo_t
			c.ok(unix.Sysinfo(&info))
			c.true("there is memory", info.Totalram > 0)
			var times unix.Tms
			_, err = unix.Times(&times)
			c.ok(err)

			c.eq("the user", os.Geteuid(), os.Getuid())
			c.eq("the group", os.Getegid(), os.Getgid())
			_, err = os.Getgroups()
			c.ok(err)
			r, e, s := unix.Getresuid()
			c.eq("the users", []int{r, e, s}, []int{os.Getuid(), os.Geteuid(), os.Geteuid()})
			unix.Getresgid()
			c.true("there is a parent", os.Getppid() > 0)
			c.true("there is a process group", unix.Getpgrp() > 0)
			_, err = unix.Getpgid(0)
			c.ok(err)
			_, err = unix.Getsid(0)
			c.ok(err)
			c.true("there is a page size", os.Getpagesize() >= 4096)

			var ts unix.Timespec
			for _, clock := range []int32{unix.CLOCK_REALTIME, unix.CLOCK_MONOTONIC, unix.CLOCK_BOOTTIME, unix.CLOCK_PROCESS_CPUTIME_ID, unix.CLOCK_THREAD_CPUTIME_ID} {
				c.ok(unix.ClockGettime(clock, &ts))
			}
			c.ok(unix.ClockGetres(unix.CLOCK_MONOTONIC, &ts))
			var cpus unix.CPUSet
			c.ok(unix.SchedGetaffinity(0, &cpus))
			c.true("there are CPUs", cpus.Count() >= runtime.NumCPU())
			b := make([]byte, 16)
			_, err = unix.Getrandom(b, unix.GRND_NONBLOCK)
			c.ok(err)
			c.true("it is random", !bytes.Equal(b, make([]byte, 16)))
		},
	},
	{
		name:     "setrlimit for itself",
		promises: "stdio proc",
		f: func(c contract) {
			c.ok(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 128}))
			var lim syscall.Rlimit
			c.ok(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim))
			c.eq("the limit", lim.Cur, uint64(64))
			runtime.LockOSThread() // a priority is one thread's
			c.ok(syscall.Setpriority(syscall.PRIO_PROCESS, 0, 5))
			prio, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
			c.ok(err)
			c.eq("the priority, as the kernel gives it", prio, 15)
		},
	},
	{
		name:     "sessions and process groups",
		promises: "stdio proc",
		f: func(c contract) {
			c.ok(syscall.Setpgid(0, 0))
			c.eq("the group", unix.Getpgrp(), os.Getpid())
			_, err := syscall.Setsid()
			c.is(err, syscall.EPERM)
			c.ok(syscall.Kill(os.Getppid(), 0))
			parent, err := os.FindProcess(os.Getppid())
			c.ok(err)
			c.ok(parent.Signal(syscall.Signal(0)))
		},
	},
	{
		name:     "what is no terminal says so",
		promises: "stdio",
		f: func(c contract) {
			r, w, err := os.Pipe()
			c.ok(err)
			for _, f := range []*os.File{r, w, os.Stdin, os.Stdout} {
				_, err = unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
				c.is(err, unix.ENOTTY)
				_, err = unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
				c.is(err, unix.ENOTTY)
			}
			_, err = w.WriteString("three")
			c.ok(err)
			n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ)
			c.ok(err)
			c.eq("the bytes in the pipe", n, 5)
		},
	},
	{
		name:     "reading standard input and the kinds of standard files",
		promises: "stdio",
		before: func(c contract) {
			r, w, err := os.Pipe()
			c.ok(err)
			c.ok(unix.Dup3(int(r.Fd()), 0, 0))
			_, err = w.WriteString("one\ntwo\n")
			c.ok(err)
			c.ok(w.Close())
		},
		f: func(c contract) {
			info, err := os.Stdin.Stat()
			c.ok(err)
			c.true("it is a pipe", info.Mode()&fs.ModeNamedPipe != 0)
			_, err = os.Stderr.Stat()
			c.ok(err)
			var lines []string
			for scanner := bufio.NewScanner(os.Stdin); scanner.Scan(); {
				lines = append(lines, scanner.Text())
			}
			c.eq("the lines", lines, []string{"one", "two"})
			fmt.Println("to stdout")
			println("to stderr")
			c.is(os.Stdout.Sync(), syscall.EINVAL)
		},
		end: func(r *pledgetest.Result) { r.OK().Printed("to stdout\n").Printed("to stderr\n") },
	},
	func() contractRow {
		var f *os.File
		return contractRow{
			name:     "everything one does with an open file",
			promises: "stdio",
			before: func(c contract) {
				var err error
				f, err = os.Create("data")
				c.ok(err)
			},
			f: func(c contract) {
				_, err := f.WriteString("hello, world")
				c.ok(err)
				_, err = f.WriteAt([]byte("W"), 7)
				c.ok(err)
				pos, err := f.Seek(-5, io.SeekEnd)
				c.ok(err)
				c.eq("the position", pos, int64(7))
				b, err := io.ReadAll(f)
				c.ok(err)
				c.eq("the rest", string(b), "World")
				c.ok(f.Truncate(5))
				info, err := f.Stat()
				c.ok(err)
				c.eq("the size", info.Size(), int64(5))
				c.ok(f.Sync())
				c.ok(unix.Fdatasync(int(f.Fd())))
				c.ok(unix.SyncFileRange(int(f.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE))
				if err := unix.Fallocate(int(f.Fd()), 0, 0, 8192); err != unix.EOPNOTSUPP {
					c.ok(err)
				}
				c.ok(unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_SEQUENTIAL))
				_, err = unix.Seek(int(f.Fd()), 0, unix.SEEK_DATA)
				c.ok(err)
				n, err := unix.Pwritev(int(f.Fd()), [][]byte{[]byte("ab"), []byte("cd")}, 1)
				c.ok(err)
				c.eq("the bytes written", n, 4)
				x, y := make([]byte, 2), make([]byte, 3)
				_, err = unix.Preadv(int(f.Fd()), [][]byte{x, y}, 0)
				c.ok(err)
				c.eq("the bytes read", string(x)+string(y), "habcd")
				c.is(f.SetDeadline(time.Now()), os.ErrNoDeadline)
				raw, err := f.SyscallConn()
				c.ok(err)
				c.ok(raw.Control(func(fd uintptr) {
					flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
					c.ok(err)
					c.eq("the access mode", flags&unix.O_ACCMODE, unix.O_RDWR)
					flags, err = unix.FcntlInt(fd, unix.F_GETFD, 0)
					c.ok(err)
					c.eq("the flags", flags, unix.FD_CLOEXEC)
				}))
				dup, err := unix.Dup(int(f.Fd()))
				c.ok(err)
				c.ok(unix.Close(dup))
				dup, err = unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 50)
				c.ok(err)
				c.true("the duplicate is above 50", dup >= 50)
				c.ok(unix.CloseRange(50, 60, 0))
				c.ok(f.Close())
			},
		}
	}(),
	{
		name:     "pipes, socket pairs, event, timer and epoll descriptors by hand",
		promises: "stdio",
		f: func(c contract) {
			efd, err := unix.Eventfd(3, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
			c.ok(err)
			tfd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
			c.ok(err)
			c.ok(unix.TimerfdSettime(tfd, 0, &unix.ItimerSpec{Value: unix.Timespec{Nsec: 1e6}}, nil))
			epfd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
			c.ok(err)
			c.ok(unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, tfd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(tfd)}))
			c.ok(unix.EpollCtl(epfd, unix.EPOLL_CTL_MOD, tfd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(tfd)}))
			events := make([]unix.EpollEvent, 4)
			var n int
			for err = unix.EINTR; err == unix.EINTR; {
				n, err = unix.EpollWait(epfd, events, 1000)
			}
			c.ok(err)
			c.true("the timer fired", n == 1 && events[0].Fd == int32(tfd))
			b := make([]byte, 8)
			_, err = unix.Read(efd, b)
			c.ok(err)
			c.eq("the event's value", binary.NativeEndian.Uint64(b), uint64(3))

			var p [2]int
			c.ok(unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
			size, err := unix.FcntlInt(uintptr(p[1]), unix.F_SETPIPE_SZ, 1<<16)
			c.ok(err)
			c.eq("the pipe's size", size, 1<<16)
			n, err = unix.Poll([]unix.PollFd{{Fd: int32(p[1]), Events: unix.POLLOUT}, {Fd: int32(p[0]), Events: unix.POLLIN}}, 0)
			c.ok(err)
			c.eq("the ends that are ready", n, 1)
			_, err = unix.Writev(p[1], [][]byte{[]byte("x"), []byte("yz")})
			c.ok(err)
			var set unix.FdSet
			set.Set(p[0])
			n, err = unix.Select(p[0]+1, &set, nil, nil, &unix.Timeval{})
			c.ok(err)
			c.eq("the files that are ready", n, 1)
			n, err = unix.Readv(p[0], [][]byte{make([]byte, 2), make([]byte, 8)})
			c.ok(err)
			c.eq("the bytes", n, 3)

			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			c.ok(err)
			left, right := os.NewFile(uintptr(pair[0]), "left"), os.NewFile(uintptr(pair[1]), "right")
			conn, err := net.FileConn(left)
			c.ok(err)
			_, err = conn.Write([]byte("over"))
			c.ok(err)
			got := make([]byte, 4)
			_, err = io.ReadFull(right, got)
			c.ok(err)
			c.eq("what came over", string(got), "over")
			c.ok(conn.SetReadDeadline(time.Now().Add(time.Millisecond)))
			_, err = conn.Read(got)
			c.is(err, os.ErrDeadlineExceeded)
			c.ok(conn.(*net.UnixConn).CloseWrite())
			_, err = right.Read(got)
			c.eq("the end", err, io.EOF)
			_, err = unix.GetsockoptInt(pair[1], unix.SOL_SOCKET, unix.SO_ERROR)
			c.ok(err)
			c.ok(conn.Close())
		},
	},
	func() contractRow {
		var a, b *net.TCPConn
		return contractRow{
			name:     "a connection that was made before the pledge",
			promises: "stdio",
			before:   func(c contract) { a, b = contractTCP(c) },
			f: func(c contract) {
				data := contractData(1 << 20)
				go func() {
					_, err := a.Write(data)
					c.ok(err)
					c.ok(a.CloseWrite())
				}()
				c.ok(b.SetDeadline(time.Now().Add(contractPatience)))
				got, err := io.ReadAll(b)
				c.ok(err)
				c.true("all came over", bytes.Equal(got, data))
				c.true("there are addresses", b.LocalAddr().String() == a.RemoteAddr().String())
				c.ok(a.Close())
				c.ok(b.Close())
			},
		}
	}(),
	{
		name:     "probes that libraries make and that may fail, but not kill",
		promises: "stdio",
		f: func(c contract) {
			_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&[]byte("contract\x00")[0])), 0, 0, 0)
			_ = unix.Prctl(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
			_ = unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0)
			_ = unix.Prctl(1234567, 0, 0, 0, 0)
			var cpus unix.CPUSet
			c.ok(unix.SchedGetaffinity(0, &cpus))
			_ = unix.SchedSetaffinity(0, &cpus)
			var params [128]byte
			_, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 8, uintptr(unsafe.Pointer(&params)), 0)
			c.is(errno, unix.ENOSYS)
			_, err := unix.Openat2(unix.AT_FDCWD, ".", &unix.OpenHow{Flags: unix.O_RDONLY})
			c.is(err, unix.ENOSYS)
			_, _, errno = unix.Syscall(unix.SYS_CLONE3, 0, 0, 0)
			c.is(errno, unix.ENOSYS)
			_, _, errno = unix.Syscall(10000, 0, 0, 0)
			c.is(errno, unix.ENOSYS)
		},
	},
}

/* ---- Files ---- */

// contractTree makes a little tree below the current directory.
func contractTree(c contract) {
	c.ok(os.MkdirAll("tree/sub/deep", 0o755))
	c.write("tree/a.txt", "alpha")
	c.write("tree/sub/b.txt", "beta")
	c.write("tree/sub/deep/c.txt", "gamma")
	c.ok(os.Symlink("sub/deep", "tree/link"))
}

func contractWalk(c contract, root string) []string {
	var names []string
	c.ok(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		names = append(names, path)
		return err
	}))
	return names
}

var contractTreeNames = []string{"tree", "tree/a.txt", "tree/link", "tree/sub", "tree/sub/b.txt", "tree/sub/deep", "tree/sub/deep/c.txt"}

var contractFiles = []contractRow{
	{
		name:     "reading files and directories",
		promises: "stdio rpath",
		before:   contractTree,
		f: func(c contract) {
			c.eq("a.txt", c.read("tree/a.txt"), "alpha")
			c.eq("the tree", contractWalk(c, "tree"), contractTreeNames)
			entries, err := os.ReadDir("tree")
			c.ok(err)
			c.eq("the number of entries", len(entries), 3)
			info, err := entries[0].Info()
			c.ok(err)
			c.eq("the size of a.txt", info.Size(), int64(5))
			_, err = os.Stat("tree/none")
			c.is(err, fs.ErrNotExist)
			_, err = os.Open("tree/none")
			c.is(err, fs.ErrNotExist)
			info, err = os.Lstat("tree/link")
			c.ok(err)
			c.true("it is a link", info.Mode()&fs.ModeSymlink != 0)
			target, err := os.Readlink("tree/link")
			c.ok(err)
			c.eq("its target", target, "sub/deep")
			real, err := filepath.EvalSymlinks("tree/link/c.txt")
			c.ok(err)
			c.eq("the real name", real, "tree/sub/deep/c.txt")
			names, err := filepath.Glob("tree/*/*.txt")
			c.ok(err)
			c.eq("the glob", names, []string{"tree/link/c.txt", "tree/sub/b.txt"})

			wd, err := os.Getwd()
			c.ok(err)
			abs, err := filepath.Abs("tree")
			c.ok(err)
			c.eq("the absolute name", abs, filepath.Join(wd, "tree"))
			x, err := os.Stat("tree")
			c.ok(err)
			y, err := os.Stat(abs)
			c.ok(err)
			c.true("they are the same", os.SameFile(x, y))
			c.ok(os.Chdir("tree/sub"))
			c.eq("b.txt", c.read("b.txt"), "beta")
			dir, err := os.Open(wd)
			c.ok(err)
			c.ok(dir.Chdir())
			c.ok(os.Unsetenv("PWD"))
			again, err := os.Getwd()
			c.ok(err)
			c.eq("where we are", again, wd)

			content, err := fs.ReadFile(os.DirFS("tree"), "sub/b.txt")
			c.ok(err)
			c.eq("b.txt in the FS", string(content), "beta")
			c.ok(fstest.TestFS(os.DirFS("tree/sub"), "b.txt", "deep/c.txt"))
		},
	},
	{
		name:     "reading what Linux has files for",
		promises: "stdio rpath",
		before:   func(c contract) { c.write("data", "x") },
		f: func(c contract) {
			c.true("status", strings.HasPrefix(c.read("/proc/self/status"), "Name:"))
			c.true("cpuinfo", len(c.read("/proc/cpuinfo")) > 10)
			c.true("cpus", len(c.read("/sys/devices/system/cpu/online")) > 0)
			c.eq("null", c.read("/dev/null"), "")
			f, err := os.Open("/dev/urandom")
			c.ok(err)
			_, err = io.ReadFull(f, make([]byte, 16))
			c.ok(err)
			self, err := os.Executable()
			c.ok(err)
			info, err := os.Stat(self)
			c.ok(err)
			c.true("the program is large", info.Size() > 1<<20)
			sh, err := exec.LookPath("sh")
			c.ok(err)
			c.true("there is a shell", strings.HasSuffix(sh, "/sh"))
			_, err = exec.LookPath("no-such-program")
			c.is(err, exec.ErrNotFound)

			c.ok(unix.Access("data", unix.R_OK))
			c.is(unix.Access("none", unix.F_OK), unix.ENOENT)
			c.ok(unix.Faccessat(unix.AT_FDCWD, "data", unix.R_OK, unix.AT_EACCESS))
			var st unix.Statfs_t
			c.ok(unix.Statfs(".", &st))
			c.true("there are blocks", st.Blocks > 0)
			var stx unix.Statx_t
			if err := unix.Statx(unix.AT_FDCWD, "data", 0, unix.STATX_ALL, &stx); err != unix.ENOSYS {
				c.ok(err)
				c.eq("the size by statx", stx.Size, uint64(1))
			}
			_, err = unix.Getxattr("data", "user.none", make([]byte, 16))
			c.true("there is no such attribute", err == unix.ENODATA || err == unix.EOPNOTSUPP)
			_, err = unix.Listxattr("data", make([]byte, 256))
			c.true("the attributes", err == nil || err == unix.EOPNOTSUPP)

			fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
			c.ok(err)
			wd, err := unix.InotifyAddWatch(fd, ".", unix.IN_OPEN)
			c.ok(err)
			c.read("data")
			n, err := unix.Read(fd, make([]byte, 4096))
			c.ok(err)
			c.true("there is an event", n >= unix.SizeofInotifyEvent)
			_, err = unix.InotifyRmWatch(fd, uint32(wd))
			c.ok(err)
		},
	},
	{
		name:     "os.Root for reading",
		promises: "stdio rpath",
		before:   contractTree,
		f: func(c contract) {
			root, err := os.OpenRoot("tree")
			c.ok(err)
			b, err := root.ReadFile("link/c.txt")
			c.ok(err)
			c.eq("c.txt", string(b), "gamma")
			_, err = root.Open("../tree/a.txt")
			c.true("the way out is closed", err != nil)
			sub, err := root.OpenRoot("sub")
			c.ok(err)
			info, err := sub.Stat("b.txt")
			c.ok(err)
			c.eq("the size", info.Size(), int64(4))
			info, err = root.Lstat("link")
			c.ok(err)
			c.true("it is a link", info.Mode()&fs.ModeSymlink != 0)
			target, err := root.Readlink("link")
			c.ok(err)
			c.eq("its target", target, "sub/deep")
			c.ok(fstest.TestFS(sub.FS(), "b.txt", "deep/c.txt"))
			f, err := os.OpenInRoot("tree", "sub/b.txt")
			c.ok(err)
			c.ok(f.Close())
		},
	},
	{
		name:     "certificates and archives are read",
		promises: "stdio rpath",
		before: func(c contract) {
			cert, _ := contractCertificate(c)
			key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
			c.ok(err)
			c.write("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})))
			c.write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
			f, err := os.Create("a.zip")
			c.ok(err)
			z := zip.NewWriter(f)
			w, err := z.Create("in.txt")
			c.ok(err)
			_, err = io.WriteString(w, "inside")
			c.ok(err)
			c.ok(z.Close())
			c.ok(f.Close())
		},
		f: func(c contract) {
			_, err := tls.LoadX509KeyPair("cert.pem", "key.pem")
			c.ok(err)
			_, err = x509.SystemCertPool()
			c.ok(err)
			z, err := zip.OpenReader("a.zip")
			c.ok(err)
			b, err := fs.ReadFile(z, "in.txt")
			c.ok(err)
			c.eq("the content", string(b), "inside")
			c.true("there is a type", strings.HasPrefix(mime.TypeByExtension(".html"), "text/html"))
		},
	},
	func() contractRow {
		var shell contractShell
		return contractRow{
			name:     "files are written that may not be read",
			promises: "stdio wpath cpath",
			before: func(c contract) {
				c.write("log", "one\n")
				c.write("old", "content")
				c.write("gone", "")
				shell = contractNewShell(c)
			},
			f: func(c contract) {
				f, err := os.OpenFile("log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
				c.ok(err)
				log.SetFlags(0)
				log.SetOutput(f)
				log.Println("two")
				c.ok(f.Close())
				c.write("new", "written")
				c.ok(os.Truncate("old", 4))
				c.ok(os.Rename("old", "renamed"))
				c.ok(os.Mkdir("dir", 0o755))
				c.ok(os.Mkdir("dir/a", 0o755))
				c.ok(os.Mkdir("dir/a/b", 0o755))
				c.ok(os.Link("new", "dir/hard"))
				c.ok(os.Symlink("../new", "dir/soft"))
				c.ok(os.Remove("gone"))
				c.ok(os.RemoveAll("dir/a/b"))
				_, err = os.OpenFile("new", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
				c.is(err, fs.ErrExist)
				c.eq("what is there", shell.ask(c, "cat log new renamed dir/hard dir/soft; echo; ls . dir"),
					"one\ntwo\nwrittencontwrittenwritten\n.:\ndir\nlog\nnew\nrenamed\n\ndir:\na\nhard\nsoft\n")
			},
		}
	}(),
	func() contractRow {
		var shell contractShell
		return contractRow{
			name:     "names are made and removed",
			promises: "stdio cpath",
			before: func(c contract) {
				c.write("old", "content")
				c.write("victim", "")
				shell = contractNewShell(c)
			},
			f: func(c contract) {
				c.ok(os.Mkdir("dir", 0o755))
				c.ok(os.Mkdir("dir/a", 0o755))
				c.ok(os.Mkdir("dir/a/b", 0o755))
				c.ok(os.Mkdir("dir/a/b/c", 0o755))
				temp, err := os.MkdirTemp(".", "temp")
				c.ok(err)
				c.ok(os.Remove(temp))
				c.ok(os.Rename("old", "victim"))
				c.ok(os.Rename("victim", "dir/moved"))
				c.ok(os.Symlink("moved", "dir/soft"))
				c.ok(os.Link("dir/moved", "dir/hard"))
				c.ok(os.Remove("dir/a/b/c"))
				c.ok(os.RemoveAll("dir/a/b"))
				c.ok(os.RemoveAll("dir/none"))
				c.is(os.Remove("dir"), syscall.ENOTEMPTY)
				c.is(os.Mkdir("dir", 0o755), fs.ErrExist)
				c.eq("what is there", shell.ask(c, "cat dir/soft dir/hard; echo; ls . dir dir/a"),
					"contentcontent\n.:\ndir\n\ndir:\na\nhard\nmoved\nsoft\n\ndir/a:\n")
			},
		}
	}(),
	func() contractRow {
		var shell contractShell
		return contractRow{
			name:     "files that exist are written",
			promises: "stdio wpath",
			before: func(c contract) {
				c.write("a", "long content")
				c.write("b", "x")
				shell = contractNewShell(c)
			},
			f: func(c contract) {
				f, err := os.OpenFile("a", os.O_WRONLY|os.O_TRUNC, 0)
				c.ok(err)
				_, err = f.WriteString("short")
				c.ok(err)
				f, err = os.OpenFile("b", os.O_WRONLY|os.O_APPEND, 0)
				c.ok(err)
				_, err = f.WriteString("yz")
				c.ok(err)
				c.ok(os.Truncate("b", 2))
				c.eq("what is there", shell.ask(c, "cat a b"), "shortxy")
			},
		}
	}(),
	{
		name:     "files are read and written",
		promises: "stdio rpath wpath",
		before:   func(c contract) { c.write("data", "0123456789") },
		f: func(c contract) {
			f, err := os.OpenFile("data", os.O_RDWR, 0)
			c.ok(err)
			_, err = f.WriteAt([]byte("abc"), 3)
			c.ok(err)
			c.ok(f.Truncate(8))
			c.ok(f.Close())
			c.eq("the content", c.read("data"), "012abc67")
		},
	},
	{
		name:     "everything one does with names",
		promises: "stdio rpath wpath cpath",
		before:   contractTree,
		f: func(c contract) {
			f, err := os.Create("made")
			c.ok(err)
			_, err = f.WriteString("made")
			c.ok(err)
			_, err = f.Seek(0, io.SeekStart)
			c.ok(err)
			b, err := io.ReadAll(f)
			c.ok(err)
			c.eq("made", string(b), "made")
			c.ok(f.Close())

			temp, err := os.CreateTemp(".", "temp")
			c.ok(err)
			_, err = temp.WriteString("atomic")
			c.ok(err)
			c.ok(temp.Sync())
			c.ok(temp.Close())
			c.ok(os.Rename(temp.Name(), "made"))
			c.eq("made", c.read("made"), "atomic")
			dir, err := os.Open(".")
			c.ok(err)
			c.ok(dir.Sync())
			c.ok(dir.Close())

			tempDir, err := os.MkdirTemp("", "temp")
			c.ok(err)
			c.write(tempDir+"/x", "x")
			c.ok(os.CopyFS("copy", os.DirFS("tree/sub")))
			c.eq("the copy", contractWalk(c, "copy"), []string{"copy", "copy/b.txt", "copy/deep", "copy/deep/c.txt"})
			c.eq("c.txt in the copy", c.read("copy/deep/c.txt"), "gamma")
			c.ok(os.RemoveAll("copy"))
			c.ok(os.RemoveAll(tempDir))
			c.ok(os.RemoveAll("tree"))
			c.eq("what is left", contractWalk(c, "."), []string{".", "made"})
			c.ok(os.Link("made", "hard"))
			c.ok(os.Symlink("made", "soft"))
			c.ok(os.Truncate("hard", 3))
			c.eq("soft", c.read("soft"), "ato")
			c.ok(os.Remove("soft"))

			fd, err := unix.Open(".", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
			if err != unix.EOPNOTSUPP {
				c.ok(err)
				_, err = unix.Write(fd, []byte("late"))
				c.ok(err)
				c.ok(unix.Linkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd), unix.AT_FDCWD, "late", unix.AT_SYMLINK_FOLLOW))
				c.eq("late", c.read("late"), "late")
			}
		},
	},
	{
		name:     "directories are made where some exist",
		promises: "stdio rpath cpath",
		f: func(c contract) {
			wd, err := os.Getwd()
			c.ok(err)
			c.ok(os.MkdirAll("a/b/c", 0o755))
			c.ok(os.MkdirAll(wd+"/a/b/d", 0o755))
			c.ok(os.MkdirAll("a", 0o755))
			c.eq("the directories", contractWalk(c, "."), []string{".", "a", "a/b", "a/b/c", "a/b/d"})
			c.ok(os.RemoveAll(wd + "/a"))
			c.eq("what is left", contractWalk(c, "."), []string{"."})
		},
	},
	{
		name:     "os.Root for writing",
		promises: "stdio rpath wpath cpath",
		before:   contractTree,
		f: func(c contract) {
			root, err := os.OpenRoot("tree")
			c.ok(err)
			c.ok(root.WriteFile("new", []byte("fresh"), 0o644))
			f, err := root.Create("link/made")
			c.ok(err)
			_, err = f.WriteString("made")
			c.ok(err)
			c.ok(f.Close())
			c.eq("made", c.read("tree/sub/deep/made"), "made")
			c.ok(root.Mkdir("dir", 0o755))
			c.ok(root.MkdirAll("dir/a/b", 0o755))
			c.ok(root.Rename("new", "dir/a/b/new"))
			c.ok(root.Link("dir/a/b/new", "hard"))
			c.ok(root.Symlink("hard", "soft"))
			c.eq("soft", c.read("tree/soft"), "fresh")
			c.ok(root.Remove("soft"))
			c.ok(root.RemoveAll("sub"))
			c.eq("what is left", contractWalk(c, "tree"),
				[]string{"tree", "tree/a.txt", "tree/dir", "tree/dir/a", "tree/dir/a/b", "tree/dir/a/b/new", "tree/hard", "tree/link"})
		},
	},
	{
		name:     "modes, times and owners",
		promises: "stdio rpath wpath cpath fattr",
		before:   contractTree,
		f: func(c contract) {
			at := time.Unix(1700000000, 0)
			mode := func(name string) fs.FileMode {
				info, err := os.Stat(name)
				c.ok(err)
				return info.Mode().Perm()
			}
			c.ok(os.Chmod("tree/a.txt", 0o600))
			c.eq("the mode", mode("tree/a.txt"), fs.FileMode(0o600))
			c.ok(os.Chtimes("tree/a.txt", at, at))
			info, err := os.Stat("tree/a.txt")
			c.ok(err)
			c.true("the time", info.ModTime().Equal(at))
			c.ok(os.Chown("tree/a.txt", os.Getuid(), os.Getgid()))
			c.ok(os.Lchown("tree/link", os.Getuid(), -1))
			f, err := os.OpenFile("tree/a.txt", os.O_RDWR, 0)
			c.ok(err)
			c.ok(f.Chmod(0o640))
			c.ok(f.Chown(-1, os.Getgid()))
			c.eq("the mode by File.Chmod", mode("tree/a.txt"), fs.FileMode(0o640))
			c.ok(f.Close())

			root, err := os.OpenRoot("tree")
			c.ok(err)
			c.ok(root.Chmod("sub/b.txt", 0o604))
			c.eq("the mode by Root.Chmod", mode("tree/sub/b.txt"), fs.FileMode(0o604))
			c.ok(root.Chtimes("sub/b.txt", at, at))
			info, err = os.Stat("tree/sub/b.txt")
			c.ok(err)
			c.true("the time by Root.Chtimes", info.ModTime().Equal(at))
			c.ok(root.Chown("sub/b.txt", os.Getuid(), os.Getgid()))
			c.ok(root.Lchown("link", os.Getuid(), os.Getgid()))
		},
	},
	{
		name:     "modes and times of files that may only be looked at",
		promises: "stdio rpath fattr",
		before:   contractTree,
		f: func(c contract) {
			c.ok(os.Chmod("tree/a.txt", 0o400))
			c.ok(os.Chtimes("tree/a.txt", time.Time{}, time.Unix(1700000000, 0)))
			info, err := os.Stat("tree/a.txt")
			c.ok(err)
			c.eq("the mode", info.Mode().Perm(), fs.FileMode(0o400))
			c.eq("the time", info.ModTime().Unix(), int64(1700000000))
		},
	},
	{
		name:     "files are given to others",
		promises: "stdio rpath fattr chown",
		unless:   contractNeedsRoot,
		before:   contractTree,
		f: func(c contract) {
			c.ok(os.Chown("tree/a.txt", 1234, 2345))
			info, err := os.Stat("tree/a.txt")
			c.ok(err)
			st := info.Sys().(*syscall.Stat_t)
			c.eq("the owners", []uint32{st.Uid, st.Gid}, []uint32{1234, 2345})
		},
	},
	{
		name:     "a fifo",
		promises: "stdio rpath wpath cpath dpath",
		f: func(c contract) {
			c.ok(syscall.Mkfifo("fifo", 0o600))
			got := make(chan string)
			go func() { got <- c.read("fifo") }()
			w, err := os.OpenFile("fifo", os.O_WRONLY, 0)
			c.ok(err)
			_, err = w.WriteString("through")
			c.ok(err)
			c.ok(w.Close())
			c.eq("what came through", <-got, "through")
		},
	},
	{
		name:     "temporary files below tmp",
		promises: "stdio tmppath",
		f: func(c contract) {
			f, err := os.CreateTemp("/tmp", "contract")
			c.ok(err)
			defer os.Remove(f.Name())
			_, err = f.WriteString("kept for a while")
			c.ok(err)
			_, err = f.Seek(5, io.SeekStart)
			c.ok(err)
			b, err := io.ReadAll(f)
			c.ok(err)
			c.eq("the content", string(b), "for a while")
			c.ok(f.Close())
			c.eq("the file", c.read(f.Name()), "kept for a while")
			c.ok(os.Remove(f.Name()))
		},
	},
	{
		name:     "an archive of a tree",
		promises: "stdio rpath wpath cpath getpw",
		before:   contractTree,
		f: func(c contract) {
			f, err := os.Create("tree.tar")
			c.ok(err)
			w := tar.NewWriter(f)
			c.ok(w.AddFS(os.DirFS("tree/sub")))
			c.ok(w.Close())
			_, err = f.Seek(0, io.SeekStart)
			c.ok(err)
			r := tar.NewReader(f)
			var names []string
			for h, err := r.Next(); err != io.EOF; h, err = r.Next() {
				c.ok(err)
				names = append(names, h.Name+":"+h.Uname)
			}
			owner := ""
			if u, err := user.Current(); err == nil {
				owner = u.Username
			}
			c.eq("the archive", names, []string{"b.txt:" + owner, "deep/:" + owner, "deep/c.txt:" + owner})
		},
	},
	{
		name:     "locks",
		promises: "stdio rpath wpath cpath flock",
		f: func(c contract) {
			f, err := os.Create("lock")
			c.ok(err)
			other, err := os.Open("lock")
			c.ok(err)
			c.ok(syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
			c.is(syscall.Flock(int(other.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
			c.ok(syscall.Flock(int(f.Fd()), syscall.LOCK_UN))
			c.ok(syscall.Flock(int(other.Fd()), syscall.LOCK_SH|syscall.LOCK_NB))
			c.ok(syscall.Flock(int(other.Fd()), syscall.LOCK_UN))

			c.ok(syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK, Len: 10}))
			c.ok(syscall.FcntlFlock(f.Fd(), syscall.F_SETLKW, &syscall.Flock_t{Type: syscall.F_UNLCK}))
			c.ok(syscall.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK}))
			lk := syscall.Flock_t{Type: syscall.F_RDLCK}
			c.ok(syscall.FcntlFlock(other.Fd(), unix.F_OFD_GETLK, &lk))
			c.eq("the lock that is in the way", lk.Type, int16(syscall.F_WRLCK))
			c.is(syscall.FcntlFlock(other.Fd(), unix.F_OFD_SETLK, &syscall.Flock_t{Type: syscall.F_RDLCK}), syscall.EAGAIN)
			c.ok(syscall.FcntlFlock(f.Fd(), unix.F_OFD_SETLKW, &syscall.Flock_t{Type: syscall.F_UNLCK}))
			lk = syscall.Flock_t{Type: syscall.F_WRLCK}
			c.ok(syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &lk))
			c.eq("no lock is left", lk.Type, int16(syscall.F_UNLCK))
		},
	},
	func() contractRow {
		var f *os.File
		return contractRow{
			name:     "locks on a file that is open",
			promises: "stdio flock",
			before: func(c contract) {
				var err error
				f, err = os.Create("lock")
				c.ok(err)
			},
			f: func(c contract) {
				c.ok(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
				c.ok(syscall.FcntlFlock(f.Fd(), syscall.F_SETLK, &syscall.Flock_t{Type: syscall.F_WRLCK}))
				lk := syscall.Flock_t{Type: syscall.F_WRLCK}
				c.ok(syscall.FcntlFlock(f.Fd(), syscall.F_GETLK, &lk))
				c.eq("nothing is in the way", lk.Type, int16(syscall.F_UNLCK))
				c.ok(f.Close())
			},
		}
	}(),
	{
		name:     "a database: locks, a mapping, positioned writes, a log that is rotated",
		promises: "stdio rpath wpath cpath flock",
		f: func(c contract) {
			db, err := os.OpenFile("db", os.O_RDWR|os.O_CREATE, 0o600)
			c.ok(err)
			c.ok(syscall.Flock(int(db.Fd()), syscall.LOCK_EX|syscall.LOCK_NB))
			c.ok(db.Truncate(1 << 16))
			b, err := syscall.Mmap(int(db.Fd()), 0, 1<<16, syscall.PROT_READ, syscall.MAP_SHARED)
			c.ok(err)
			c.ok(unix.Madvise(b, unix.MADV_RANDOM))
			_, err = db.WriteAt([]byte("page"), 4096)
			c.ok(err)
			c.ok(unix.Fdatasync(int(db.Fd())))
			c.eq("the page", string(b[4096:4100]), "page")
			c.ok(syscall.Munmap(b))
			for i := range 3 {
				w, err := os.OpenFile("wal", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
				c.ok(err)
				_, err = fmt.Fprintln(w, "entry", i)
				c.ok(err)
				c.ok(w.Sync())
				c.ok(w.Close())
				c.ok(os.Rename("wal", "wal."+strconv.Itoa(i)))
			}
			c.eq("the last log", c.read("wal.2"), "entry 2\n")
			var st unix.Statfs_t
			c.ok(unix.Fstatfs(int(db.Fd()), &st))
			c.ok(db.Close())
		},
	},
	{
		name:     "a terminal",
		promises: "stdio rpath wpath tty",
		unless:   contractNeedsFile("/dev/ptmx"),
		before: func(c contract) {
			ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
			c.ok(err)
			c.ok(unix.IoctlSetPointerInt(int(ptmx.Fd()), unix.TIOCSPTLCK, 0))
			n, err := unix.IoctlGetInt(int(ptmx.Fd()), unix.TIOCGPTN)
			c.ok(err)
			pts, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
			c.ok(err)
			c.ok(unix.Dup3(int(pts.Fd()), 0, 0))
			c.ok(unix.Dup3(int(ptmx.Fd()), 100, 0))
		},
		f: func(c contract) {
			old, err := unix.IoctlGetTermios(0, unix.TCGETS)
			c.ok(err)
			quiet := *old
			quiet.Lflag &^= unix.ECHO
			c.ok(unix.IoctlSetTermios(0, unix.TCSETS, &quiet))
			_, err = unix.Write(100, []byte("secret\n"))
			c.ok(err)
			line, err := bufio.NewReader(os.Stdin).ReadString('\n')
			c.ok(err)
			c.eq("the password", line, "secret\n")
			c.ok(unix.IoctlSetTermios(0, unix.TCSETS, old))
			c.ok(unix.IoctlSetWinsize(0, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}))
			size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
			c.ok(err)
			c.eq("the width", size.Col, uint16(80))
			_, err = unix.IoctlGetInt(0, unix.TIOCGPGRP)
			c.true(fmt.Sprint("the foreground: ", err), err == nil || err == unix.ENOTTY)
		},
	},
	{
		name:     "the kernel's own files",
		promises: "stdio ps vminfo",
		f: func(c contract) {
			c.true("memory", strings.HasPrefix(c.read("/proc/meminfo"), "MemTotal:"))
			c.true("load", len(strings.Fields(c.read("/proc/loadavg"))) == 5)
			entries, err := os.ReadDir("/proc")
			c.ok(err)
			self := strconv.Itoa(os.Getpid())
			c.true("the process is listed", slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == self }))
			c.true("its name is there", len(c.read("/proc/"+self+"/comm")) > 1)
		},
	},
	{
		name:     "the clock's state",
		promises: "stdio settime",
		f: func(c contract) {
			var tx unix.Timex // nothing in Modes: only a look
			_, err := unix.Adjtimex(&tx)
			c.ok(err)
			c.true("there is a tick", tx.Tick > 0)
		},
	},
	{
		name:     "privileges are dropped on all threads",
		promises: "stdio id",
		unless: func() string {
			if contractMusl {
				return "musl asks each thread by tkill, whose argument could be any process's, so that takes proc"
			}
			return contractNeedsRoot()
		},
		f: contractDrop,
	},
	{
		name:     "privileges are dropped on all threads",
		promises: "stdio proc id",
		unless:   contractNeedsRoot,
		f:        contractDrop,
	},
}

// contractDrop becomes nobody, with all its threads.
func contractDrop(c contract) {
	contractLocked(c, 8)
	c.ok(syscall.Setgroups(nil))
	c.ok(syscall.Setresgid(65534, 65534, 65534))
	c.ok(syscall.Setresuid(65534, 65534, 65534))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			runtime.LockOSThread()
			c.eq("the user", os.Getuid(), 65534)
			c.eq("the group", os.Getegid(), 65534)
		})
	}
	wg.Wait()
	c.is(syscall.Setuid(0), syscall.EPERM)
}

/* ---- io.Copy ---- */

// contractTCP returns the two ends of a connection over loopback.
func contractTCP(c contract) (a, b *net.TCPConn) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	c.ok(err)
	defer ln.Close()
	conn, err := net.Dial("tcp", ln.Addr().String())
	c.ok(err)
	peer, err := ln.Accept()
	c.ok(err)
	return conn.(*net.TCPConn), peer.(*net.TCPConn)
}

// contractUnix returns the two ends of a connection over a unix socket.
func contractUnix(c contract) (a, b *net.UnixConn) {
	ln, err := net.Listen("unix", "pair.sock")
	c.ok(err)
	defer ln.Close()
	conn, err := net.Dial("unix", "pair.sock")
	c.ok(err)
	peer, err := ln.Accept()
	c.ok(err)
	return conn.(*net.UnixConn), peer.(*net.UnixConn)
}

// contractFeed writes the data and closes.
func contractFeed(c contract, w interface {
	io.Writer
	CloseWrite() error
}, data []byte) {
	_, err := w.Write(data)
	c.ok(err)
	c.ok(w.CloseWrite())
}

// contractDrain reads to the end.
func contractDrain(c contract, r io.Reader) <-chan []byte {
	got := make(chan []byte, 1)
	go func() {
		b, err := io.ReadAll(r)
		c.ok(err)
		got <- b
	}()
	return got
}

const contractSize = 3 << 20

// contractBig is not made at once: each child would pay for it.
var contractBig = sync.OnceValue(func() []byte { return contractData(contractSize) })

var contractCopies = []contractRow{
	func() contractRow {
		var in, out, more *os.File
		data := contractBig
		return contractRow{
			name:     "open files are copied to files and pipes",
			promises: "stdio",
			before: func(c contract) {
				c.write("in", string(data()))
				var err error
				in, err = os.Open("in")
				c.ok(err)
				out, err = os.Create("out")
				c.ok(err)
				more, err = os.OpenFile("more", os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
				c.ok(err)
			},
			f: func(c contract) {
				rewind := func(f *os.File) {
					_, err := f.Seek(0, io.SeekStart)
					c.ok(err)
				}
				same := func(what string, got []byte) { c.true(what+" has the data", bytes.Equal(got, data())) }
				for what, f := range map[string]*os.File{"file to file": out, "file to append file": more} {
					rewind(in)
					_, err := io.Copy(f, in)
					c.ok(err)
					rewind(f)
					got, err := io.ReadAll(f)
					c.ok(err)
					same(what, got)
				}
				rewind(in)
				same("file to pipe", contractPipe(c, func(w *os.File) {
					_, err := io.Copy(w, in)
					c.ok(err)
				}))
				rewind(in)
				rewind(out)
				c.ok(out.Truncate(0))
				r, w, err := os.Pipe()
				c.ok(err)
				go func() {
					_, err := io.Copy(w, in)
					c.ok(err)
					c.ok(w.Close())
				}()
				_, err = io.Copy(out, r) // splice
				c.ok(err)
				rewind(out)
				got, err := io.ReadAll(out)
				c.ok(err)
				same("pipe to file", got)
				rewind(in)
				n, err := io.Copy(out, io.LimitReader(in, 1000)) // copy_file_range with a limit
				c.ok(err)
				c.eq("the part", n, int64(1000))
			},
		}
	}(),
	{
		name:     "files are copied by name",
		promises: "stdio rpath wpath cpath",
		before:   func(c contract) { c.write("in", string(contractData(contractSize))) },
		f: func(c contract) {
			in, err := os.Open("in")
			c.ok(err)
			out, err := os.Create("out")
			c.ok(err)
			n, err := io.Copy(out, in)
			c.ok(err)
			c.eq("the number of bytes", n, int64(contractSize))
			c.ok(out.Close())
			c.true("they are the same", c.read("in") == c.read("out"))
		},
	},
	{
		name:     "standard output gets a file",
		promises: "stdio rpath",
		before:   func(c contract) { c.write("in", "to be printed\n") },
		f: func(c contract) {
			f, err := os.Open("in")
			c.ok(err)
			_, err = io.Copy(os.Stdout, f)
			c.ok(err)
		},
		end: func(r *pledgetest.Result) { r.OK().Printed("to be printed\n") },
	},
	func() contractRow {
		data := contractBig
		return contractRow{
			name:     "sendfile and splice between files, TCP and pipes",
			promises: "stdio rpath wpath cpath inet",
			before:   func(c contract) { c.write("in", string(data())) },
			f: func(c contract) {
				in, err := os.Open("in")
				c.ok(err)
				a, b := contractTCP(c)
				got := contractDrain(c, b)
				_, err = io.Copy(a, in)
				c.ok(err)
				c.ok(a.CloseWrite())
				c.true("file to TCP", bytes.Equal(<-got, data()))

				a, b = contractTCP(c)
				x, y := contractTCP(c)
				go contractFeed(c, a, data())
				got = contractDrain(c, y)
				_, err = io.Copy(x, b)
				c.ok(err)
				c.ok(x.CloseWrite())
				c.true("TCP to TCP", bytes.Equal(<-got, data()))

				a, b = contractTCP(c)
				go contractFeed(c, a, data())
				out, err := os.Create("out")
				c.ok(err)
				_, err = io.Copy(out, b)
				c.ok(err)
				c.true("TCP to file", c.read("out") == string(data()))

				a, b = contractTCP(c)
				go contractFeed(c, a, data())
				c.true("TCP to pipe", bytes.Equal(contractPipe(c, func(w *os.File) {
					_, err := io.Copy(w, b)
					c.ok(err)
				}), data()))

				a, b = contractTCP(c)
				go contractFeed(c, a, data())
				more, err := os.OpenFile("out", os.O_APPEND|os.O_WRONLY|os.O_TRUNC, 0)
				c.ok(err)
				_, err = io.Copy(more, b)
				c.ok(err)
				c.true("TCP to append file", c.read("out") == string(data()))
			},
		}
	}(),
	func() contractRow {
		data := contractBig
		var in *os.File
		var a, b, w, x, y, z *net.TCPConn
		var ua, ub *net.UnixConn
		return contractRow{
			name:     "sendfile and splice between descriptors that are open",
			promises: "stdio",
			before: func(c contract) {
				c.write("in", string(data()))
				var err error
				in, err = os.Open("in")
				c.ok(err)
				a, b = contractTCP(c)
				w, x = contractTCP(c)
				y, z = contractTCP(c)
				ua, ub = contractUnix(c)
			},
			f: func(c contract) {
				got := contractDrain(c, b)
				_, err := io.Copy(a, in)
				c.ok(err)
				c.ok(a.CloseWrite())
				c.true("file to TCP", bytes.Equal(<-got, data()))

				go contractFeed(c, w, data())
				got = contractDrain(c, z)
				_, err = io.Copy(y, x)
				c.ok(err)
				c.ok(y.CloseWrite())
				c.true("TCP to TCP", bytes.Equal(<-got, data()))

				_, err = in.Seek(0, io.SeekStart)
				c.ok(err)
				got = contractDrain(c, ub)
				_, err = io.Copy(ua, in)
				c.ok(err)
				c.ok(ua.CloseWrite())
				c.true("file to unix", bytes.Equal(<-got, data()))
			},
		}
	}(),
	func() contractRow {
		data := contractBig
		return contractRow{
			name:     "splice between unix sockets",
			promises: "stdio rpath cpath unix inet",
			before:   func(c contract) { c.write("in", string(data())) },
			f: func(c contract) {
				a, b := contractUnix(c)
				x, y := contractUnix(c)
				go contractFeed(c, a, data())
				got := contractDrain(c, y)
				_, err := io.Copy(x, b)
				c.ok(err)
				c.ok(x.CloseWrite())
				c.true("unix to unix", bytes.Equal(<-got, data()))

				a, b = contractUnix(c)
				p, q := contractTCP(c)
				go contractFeed(c, a, data())
				got = contractDrain(c, q)
				_, err = io.Copy(p, b)
				c.ok(err)
				c.ok(p.CloseWrite())
				c.true("unix to TCP", bytes.Equal(<-got, data()))

				in, err := os.Open("in")
				c.ok(err)
				a, b = contractUnix(c)
				got = contractDrain(c, b)
				_, err = io.Copy(a, in)
				c.ok(err)
				c.ok(a.CloseWrite())
				c.true("file to unix", bytes.Equal(<-got, data()))
			},
		}
	}(),
}

/* ---- Sockets ---- */

// contractEcho serves one connection of the listener and talks to it.
func contractEcho(c contract, ln net.Listener, dial func() (net.Conn, error)) {
	go func() {
		conn, err := ln.Accept()
		c.ok(err)
		_, err = io.Copy(conn, conn)
		c.ok(err)
		c.ok(conn.Close())
	}()
	conn, err := dial()
	c.ok(err)
	defer conn.Close()
	c.ok(conn.SetDeadline(time.Now().Add(contractPatience)))
	_, err = io.WriteString(conn, "echo?")
	c.ok(err)
	got := make([]byte, 5)
	_, err = io.ReadFull(conn, got)
	c.ok(err)
	c.eq("the echo", string(got), "echo?")
}

var contractSockets = slices.Concat(
	contractRows(contractRow{
		name: "TCP, listening after the pledge",
		f: func(c contract) {
			for _, addr := range []string{"127.0.0.1:0", ":0", "0.0.0.0:0"} {
				ln, err := net.Listen("tcp", addr)
				c.ok(err)
				_, port, err := net.SplitHostPort(ln.Addr().String())
				c.ok(err)
				contractEcho(c, ln, func() (net.Conn, error) {
					return net.DialTimeout("tcp", "127.0.0.1:"+port, contractPatience)
				})
				c.ok(ln.Close())
			}
			_, err := net.Dial("tcp", "127.0.0.1:1")
			c.is(err, syscall.ECONNREFUSED)
		},
	}, "stdio inet", "stdio rpath inet", "stdio dns inet"),
	[]contractRow{
		func() contractRow {
			var ln net.Listener
			return contractRow{
				name:     "TCP, listening before the pledge",
				promises: "stdio inet",
				before: func(c contract) {
					var err error
					ln, err = net.Listen("tcp", "127.0.0.1:0")
					c.ok(err)
				},
				f: func(c contract) {
					contractEcho(c, ln, func() (net.Conn, error) { return net.Dial("tcp", ln.Addr().String()) })
					contractEcho(c, ln, func() (net.Conn, error) {
						return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}).Dial("tcp", ln.Addr().String())
					})
				},
			}
		}(),
		func() contractRow {
			var f *os.File
			var addr string
			return contractRow{
				name:     "a listener that was inherited",
				promises: "stdio inet",
				before: func(c contract) {
					ln, err := net.Listen("tcp", "127.0.0.1:0")
					c.ok(err)
					addr = ln.Addr().String()
					f, err = ln.(*net.TCPListener).File()
					c.ok(err)
				},
				f: func(c contract) {
					ln, err := net.FileListener(f)
					c.ok(err)
					contractEcho(c, ln, func() (net.Conn, error) { return net.Dial("tcp", addr) })
				},
			}
		}(),
		{
			name:     "TCP over IPv6",
			promises: "stdio inet",
			unless:   contractNeedsFile("/proc/net/if_inet6"),
			f: func(c contract) {
				for _, addr := range []string{"[::1]:0", "[::]:0"} {
					ln, err := net.Listen("tcp6", addr)
					c.ok(err)
					port := ln.Addr().(*net.TCPAddr).Port
					contractEcho(c, ln, func() (net.Conn, error) { return net.Dial("tcp", "[::1]:"+strconv.Itoa(port)) })
				}
			},
		},
		{
			name:     "everything one sets on a TCP connection",
			promises: "stdio inet",
			f: func(c contract) {
				config := net.ListenConfig{
					KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: time.Second, Count: 3},
					Control: func(_, _ string, raw syscall.RawConn) error {
						var err error
						if e := raw.Control(func(fd uintptr) {
							err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
						}); e != nil {
							return e
						}
						return err
					},
				}
				ln, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
				c.ok(err)
				c.ok(ln.(*net.TCPListener).SetDeadline(time.Now().Add(contractPatience)))
				conn, err := net.Dial("tcp", ln.Addr().String())
				c.ok(err)
				peer, err := ln.Accept()
				c.ok(err)
				tcp := conn.(*net.TCPConn)
				c.ok(tcp.SetNoDelay(false))
				c.ok(tcp.SetKeepAlive(true))
				c.ok(tcp.SetKeepAlivePeriod(time.Minute))
				c.ok(tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: time.Second, Count: 3}))
				c.ok(tcp.SetLinger(2))
				c.ok(tcp.SetReadBuffer(1 << 16))
				c.ok(tcp.SetWriteBuffer(1 << 16))
				_, err = tcp.MultipathTCP()
				c.ok(err)
				raw, err := tcp.SyscallConn()
				c.ok(err)
				c.ok(raw.Control(func(fd uintptr) {
					n, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_KEEPCNT)
					c.ok(err)
					c.eq("the probes", n, 3)
					_, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
					c.ok(err)
					c.ok(unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 10000))
					c.ok(unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_TOS, 0x10))
				}))
				f, err := tcp.File()
				c.ok(err)
				dup, err := net.FileConn(f)
				c.ok(err)
				buffers := net.Buffers{[]byte("a"), []byte("b"), []byte("c")}
				_, err = buffers.WriteTo(dup)
				c.ok(err)
				got := make([]byte, 3)
				_, err = io.ReadFull(peer, got)
				c.ok(err)
				c.eq("what came over", string(got), "abc")
				c.ok(peer.SetReadDeadline(time.Now().Add(5 * time.Millisecond)))
				_, err = peer.Read(got)
				c.is(err, os.ErrDeadlineExceeded)
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				_, err = (&net.Dialer{}).DialContext(ctx, "tcp", ln.Addr().String())
				c.true("a dial that was called off is an error", err != nil)
			},
		},
	},
	contractRows(contractRow{
		name: "what QUIC and DNS libraries set on a UDP socket",
		f: func(c contract) {
			conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			c.ok(err)
			raw, err := conn.SyscallConn()
			c.ok(err)
			c.ok(raw.Control(func(fd uintptr) {
				set := func(level, name, value int) error { return unix.SetsockoptInt(int(fd), level, name, value) }
				c.ok(set(unix.IPPROTO_IP, unix.IP_PKTINFO, 1))
				c.ok(set(unix.IPPROTO_IP, unix.IP_RECVTOS, 1))
				c.ok(set(unix.IPPROTO_IP, unix.IP_RECVTTL, 1))
				c.ok(set(unix.IPPROTO_IP, unix.IP_TTL, 64))
				c.ok(set(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE))
				for _, name := range []int{unix.SO_RCVBUF, unix.SO_SNDBUF} {
					_, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, name)
					c.ok(err)
				}
				// Tried when the buffer came out too small; may be refused.
				for _, name := range []int{unix.SO_RCVBUFFORCE, unix.SO_SNDBUFFORCE} {
					err := set(unix.SOL_SOCKET, name, 1<<20)
					c.true(fmt.Sprint("a forced buffer: ", err), err == nil || err == unix.EPERM)
				}
				_, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
				c.true(fmt.Sprint("segments: ", err), err == nil || err == unix.ENOPROTOOPT)
				err = set(unix.IPPROTO_UDP, unix.UDP_GRO, 1)
				c.true(fmt.Sprint("GRO: ", err), err == nil || err == unix.ENOPROTOOPT)
			}))
			_, err = conn.WriteToUDP([]byte("self"), conn.LocalAddr().(*net.UDPAddr))
			c.ok(err)
			b, oob := make([]byte, 16), make([]byte, 256)
			n, oobn, _, from, err := conn.ReadMsgUDP(b, oob)
			c.ok(err)
			c.eq("the message", string(b[:n]), "self")
			msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
			c.ok(err)
			c.true("there are control messages", len(msgs) >= 2)
			info := unix.PktInfo4(&unix.Inet4Pktinfo{Ifindex: 1})
			_, _, err = conn.WriteMsgUDP([]byte("back"), info, from)
			c.ok(err)
			n, err = conn.Read(b)
			c.ok(err)
			c.eq("the answer", string(b[:n]), "back")
		},
	}, "stdio inet", "stdio rpath inet dns"),
	contractRows(contractRow{
		name: "what servers set on a TCP listener",
		f: func(c contract) {
			config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
				return raw.Control(func(fd uintptr) {
					c.ok(unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
					c.ok(unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 1))
					// Go listens with MPTCP, which has this since Linux 6.2.
					err := unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_FASTOPEN, 16)
					c.true(fmt.Sprint("fast open: ", err), err == nil || err == unix.ENOPROTOOPT || err == unix.EOPNOTSUPP)
				})
			}}
			ln, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
			c.ok(err)
			contractEcho(c, ln, func() (net.Conn, error) {
				conn, err := net.Dial("tcp", ln.Addr().String())
				c.ok(err)
				raw, err := conn.(*net.TCPConn).SyscallConn()
				c.ok(err)
				c.ok(raw.Control(func(fd uintptr) {
					for _, name := range []int{unix.TCP_CORK, unix.TCP_QUICKACK, unix.TCP_NODELAY} {
						c.ok(unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, name, 1))
					}
					c.ok(unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK, 0))
					_, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
					c.ok(err)
					_, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
					c.ok(err)
				}))
				return conn, nil
			})
		},
	}, "stdio inet"),
	contractRows(contractRow{
		name: "UDP echo",
		f: func(c contract) {
			for _, addr := range []string{"127.0.0.1:0", ":0"} {
				server, err := net.ListenPacket("udp", addr)
				c.ok(err)
				port := server.LocalAddr().(*net.UDPAddr).Port
				go func() {
					b := make([]byte, 64)
					for {
						n, from, err := server.ReadFrom(b)
						if err != nil {
							return
						}
						_, err = server.WriteTo(b[:n], from)
						c.ok(err)
					}
				}()
				conn, err := net.Dial("udp", "127.0.0.1:"+strconv.Itoa(port))
				c.ok(err)
				c.ok(conn.SetDeadline(time.Now().Add(contractPatience)))
				_, err = conn.Write([]byte("ping"))
				c.ok(err)
				b := make([]byte, 64)
				n, err := conn.Read(b)
				c.ok(err)
				c.eq("the echo", string(b[:n]), "ping")

				udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
				c.ok(err)
				c.ok(udp.SetReadBuffer(1 << 16))
				c.ok(udp.SetWriteBuffer(1 << 16))
				_, _, err = udp.WriteMsgUDP([]byte("msg"), nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
				c.ok(err)
				n, _, _, from, err := udp.ReadMsgUDPAddrPort(b, make([]byte, 64))
				c.ok(err)
				c.eq("the echo of the message", string(b[:n]), "msg")
				c.eq("the port of the sender", int(from.Port()), port)
				c.ok(server.Close())
			}
		},
	}, "stdio inet", "stdio rpath inet"),
	[]contractRow{
		{
			name:     "multicast groups over IPv6 and by hand",
			promises: "stdio inet mcast",
			unless: func() string {
				if _, err := net.InterfaceByName("lo"); err != nil {
					return err.Error()
				}
				return ""
			},
			before: func(c contract) {},
			f: func(c contract) {
				lo := &net.Interface{Index: 1, Name: "lo"}
				if ln, err := net.ListenMulticastUDP("udp6", lo, &net.UDPAddr{IP: net.ParseIP("ff01::114")}); err == nil {
					c.ok(ln.Close())
				} else {
					c.true("there is no IPv6: "+err.Error(), errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT))
				}

				conn, err := net.ListenUDP("udp4", &net.UDPAddr{})
				c.ok(err)
				raw, err := conn.SyscallConn()
				c.ok(err)
				group := unix.IPMreqn{Multiaddr: [4]byte{239, 1, 2, 3}, Ifindex: 1}
				c.ok(raw.Control(func(fd uintptr) {
					c.ok(unix.SetsockoptIPMreqn(int(fd), unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &group))
					c.ok(unix.SetsockoptIPMreqn(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: 1}))
					c.ok(unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_LOOP, 1))
					c.ok(unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 0))
				}))
				_, err = conn.WriteToUDP([]byte("all"), &net.UDPAddr{IP: net.IPv4(239, 1, 2, 3), Port: conn.LocalAddr().(*net.UDPAddr).Port})
				c.ok(err)
				c.ok(conn.SetReadDeadline(time.Now().Add(contractPatience)))
				b := make([]byte, 8)
				n, _, err := conn.ReadFrom(b)
				c.ok(err)
				c.eq("the message", string(b[:n]), "all")
				c.ok(raw.Control(func(fd uintptr) {
					c.ok(unix.SetsockoptIPMreqn(int(fd), unix.IPPROTO_IP, unix.IP_DROP_MEMBERSHIP, &group))
				}))
			},
		},
		{
			name:     "net.ListenMulticastUDP on an interface",
			promises: "stdio inet mcast route",
			f: func(c contract) {
				lo, err := net.InterfaceByName("lo")
				c.ok(err)
				conn, err := net.ListenMulticastUDP("udp4", lo, &net.UDPAddr{IP: net.IPv4(239, 1, 2, 4)})
				c.ok(err)
				c.ok(conn.Close())
			},
		},
		{
			name:     "unix stream and datagram sockets",
			promises: "stdio unix cpath",
			f: func(c contract) {
				ln, err := net.Listen("unix", "stream.sock")
				c.ok(err)
				contractEcho(c, ln, func() (net.Conn, error) { return net.Dial("unix", "stream.sock") })
				c.ok(ln.Close())
				_, err = net.Dial("unix", "stream.sock")
				c.is(err, fs.ErrNotExist)
				ln, err = net.Listen("unix", "@contract-"+rand.Text())
				c.ok(err)
				contractEcho(c, ln, func() (net.Conn, error) { return net.Dial("unix", ln.Addr().String()) })
				c.ok(ln.Close())
				ln, err = net.Listen("unixpacket", "packet.sock")
				c.ok(err)
				contractEcho(c, ln, func() (net.Conn, error) { return net.Dial("unixpacket", "packet.sock") })
				c.ok(ln.Close())

				server, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "server.sock"})
				c.ok(err)
				client, err := net.DialUnix("unixgram", &net.UnixAddr{Name: "client.sock"}, &net.UnixAddr{Name: "server.sock"})
				c.ok(err)
				_, err = client.Write([]byte("ping"))
				c.ok(err)
				b := make([]byte, 16)
				n, from, err := server.ReadFromUnix(b)
				c.ok(err)
				c.eq("the sender", from.Name, "client.sock")
				_, err = server.WriteToUnix(b[:n], from)
				c.ok(err)
				n, err = client.Read(b)
				c.ok(err)
				c.eq("the echo", string(b[:n]), "ping")
				c.ok(client.Close())
				c.ok(server.Close())
				c.ok(os.Remove("server.sock"))
			},
		},
		func() contractRow {
			var ln net.Listener
			return contractRow{
				name:     "a unix client and what it asks about its peer",
				promises: "stdio unix",
				before: func(c contract) {
					var err error
					ln, err = net.Listen("unix", "s.sock")
					c.ok(err)
				},
				f: func(c contract) {
					contractEcho(c, ln, func() (net.Conn, error) {
						conn, err := net.Dial("unix", "s.sock")
						c.ok(err)
						raw, err := conn.(*net.UnixConn).SyscallConn()
						c.ok(err)
						c.ok(raw.Control(func(fd uintptr) {
							cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
							c.ok(err)
							c.eq("the peer", cred.Pid, int32(os.Getpid()))
						}))
						c.ok(conn.(*net.UnixConn).SetReadBuffer(1 << 16))
						return conn, err
					})
				},
			}
		}(),
		{
			name:     "descriptors over unix sockets",
			promises: "stdio rpath cpath unix sendfd recvfd",
			before:   func(c contract) { c.write("data", "passed on") },
			f: func(c contract) {
				a, b := contractUnix(c)
				f, err := os.Open("data")
				c.ok(err)
				_, _, err = a.WriteMsgUnix([]byte("x"), unix.UnixRights(int(f.Fd())), nil)
				c.ok(err)
				oob := make([]byte, 64)
				n, oobn, _, _, err := b.ReadMsgUnix(make([]byte, 1), oob)
				c.ok(err)
				c.eq("the bytes", n, 1)
				msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
				c.ok(err)
				fds, err := unix.ParseUnixRights(&msgs[0])
				c.ok(err)
				got, err := io.ReadAll(os.NewFile(uintptr(fds[0]), "passed"))
				c.ok(err)
				c.eq("the content", string(got), "passed on")
			},
		},
		func() contractRow {
			var pair [2]int
			var f *os.File
			return contractRow{
				name:     "descriptors over a socket pair",
				promises: "stdio sendfd recvfd",
				before: func(c contract) {
					c.write("data", "passed on")
					var err error
					f, err = os.Open("data")
					c.ok(err)
					pair, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
					c.ok(err)
				},
				f: func(c contract) {
					c.ok(unix.Sendmsg(pair[0], []byte("x"), unix.UnixRights(int(f.Fd())), nil, 0))
					oob := make([]byte, 64)
					_, oobn, _, _, err := unix.Recvmsg(pair[1], make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
					c.ok(err)
					msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
					c.ok(err)
					fds, err := unix.ParseUnixRights(&msgs[0])
					c.ok(err)
					got, err := io.ReadAll(os.NewFile(uintptr(fds[0]), "passed"))
					c.ok(err)
					c.eq("the content", string(got), "passed on")
				},
			}
		}(),
		func() contractRow {
			var server *net.UnixConn
			return contractRow{
				name:     "the system log",
				promises: "stdio unix",
				before: func(c contract) {
					var err error
					server, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "log.sock"})
					c.ok(err)
				},
				f: func(c contract) {
					w, err := syslog.Dial("unixgram", "log.sock", syslog.LOG_INFO, "contract")
					c.ok(err)
					c.ok(w.Info("hello"))
					b := make([]byte, 512)
					n, err := server.Read(b)
					c.ok(err)
					c.true("the line", regexp.MustCompile(`contract\[\d+\]: hello`).Match(b[:n]))
				},
			}
		}(),
	},
)

/* ---- HTTP and TLS ---- */

// contractCertificate makes a certificate for 127.0.0.1 and localhost and a
// pool that trusts it.
func contractCertificate(c contract) (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	c.ok(err)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "contract"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:              []string{"localhost"},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	c.ok(err)
	leaf, err := x509.ParseCertificate(der)
	c.ok(err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}

// contractServe serves HTTP on the listener, has the client ask ten times at
// once, and shuts the server down.
func contractServe(c contract, ln net.Listener, client *http.Client, url string, major int) {
	server := &http.Server{
		ReadTimeout: contractPatience,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			c.ok(err)
			fmt.Fprintf(w, "%d %s %s", r.ProtoMajor, r.URL.Path, body)
		}),
	}
	done := make(chan error)
	go func() { done <- server.Serve(ln) }()
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			resp, err := client.Post(fmt.Sprintf("%s/%d", url, i), "text/plain", strings.NewReader("body"))
			c.ok(err)
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			c.ok(err)
			c.eq("the answer", string(b), fmt.Sprintf("%d /%d body", major, i))
		})
	}
	wg.Wait()
	client.CloseIdleConnections()
	// A client that has several requests at once dials more often than it needs
	// to, and Shutdown waits five seconds for a connection that is never used.
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
		c.ok(server.Close())
	} else {
		c.ok(err)
	}
	c.is(<-done, http.ErrServerClosed)
}

var contractWeb = slices.Concat(
	contractRows(contractRow{
		name: "HTTP",
		f: func(c contract) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			c.ok(err)
			contractServe(c, ln, &http.Client{Timeout: contractPatience}, "http://"+ln.Addr().String(), 1)
		},
	}, "stdio inet", "stdio rpath inet"),
	[]contractRow{
		func() contractRow {
			var ln net.Listener
			return contractRow{
				name:     "HTTP on a listener from before the pledge",
				promises: "stdio inet",
				before: func(c contract) {
					var err error
					ln, err = net.Listen("tcp", "127.0.0.1:0")
					c.ok(err)
				},
				f: func(c contract) { contractServe(c, ln, http.DefaultClient, "http://"+ln.Addr().String(), 1) },
			}
		}(),
		{
			name:     "HTTP over a unix socket",
			promises: "stdio unix cpath",
			f: func(c contract) {
				ln, err := net.Listen("unix", "http.sock")
				c.ok(err)
				client := &http.Client{Transport: &http.Transport{
					DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
						return (&net.Dialer{}).DialContext(ctx, "unix", "http.sock")
					},
				}}
				contractServe(c, ln, client, "http://unix", 1)
			},
		},
		{
			name:     "HTTP by name",
			promises: "stdio rpath inet",
			f: func(c contract) {
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				c.ok(err)
				url := fmt.Sprintf("http://localhost:%d", ln.Addr().(*net.TCPAddr).Port)
				contractServe(c, ln, http.DefaultClient, url, 1)
			},
		},
	},
	contractRows(contractRow{
		name: "HTTPS and HTTP 2 with a certificate of our own",
		f: func(c contract) {
			cert, pool := contractCertificate(c)
			for major, protos := range map[int][]string{1: {"http/1.1"}, 2: {"h2", "http/1.1"}} {
				ln, err := net.Listen("tcp", "127.0.0.1:0")
				c.ok(err)
				tlsListener := tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: protos})
				client := &http.Client{Timeout: contractPatience, Transport: &http.Transport{
					ForceAttemptHTTP2: major == 2,
					TLSClientConfig:   &tls.Config{RootCAs: pool},
				}}
				contractServe(c, tlsListener, client, "https://"+ln.Addr().String(), major)
			}
		},
	}, "stdio inet", "stdio rpath inet"),
	[]contractRow{
		{
			name:     "HTTPS to a server that the system does not know",
			promises: "stdio rpath inet",
			f: func(c contract) {
				server := httptest.NewTLSServer(http.NotFoundHandler())
				defer server.Close()
				server.Config.ErrorLog = log.New(io.Discard, "", 0)
				_, err := http.Get(server.URL)
				var unknown *tls.CertificateVerificationError
				c.true("the certificate is refused", errors.As(err, &unknown))
			},
		},
		{
			name:     "a file server",
			promises: "stdio rpath inet",
			before: func(c contract) {
				contractTree(c)
				c.write("tree/big.bin", string(contractData(contractSize)))
				c.write("tree/page.html", "<html>")
			},
			f: func(c contract) {
				server := httptest.NewServer(http.FileServer(http.Dir("tree")))
				defer server.Close()
				get := func(path string) (string, http.Header) {
					resp, err := http.Get(server.URL + path)
					c.ok(err)
					defer resp.Body.Close()
					b, err := io.ReadAll(resp.Body)
					c.ok(err)
					return string(b), resp.Header
				}
				body, _ := get("/big.bin")
				c.true("the file came over", body == string(contractData(contractSize)))
				body, header := get("/page.html")
				c.eq("the page", body, "<html>")
				c.eq("its type", header.Get("Content-Type"), "text/html; charset=utf-8")
				body, _ = get("/")
				c.true("the listing", strings.Contains(body, `<a href="a.txt">`))
			},
		},
		{
			name:     "files from memory, with the types loaded before the pledge",
			promises: "stdio inet",
			before:   func(c contract) { mime.TypeByExtension(".html") },
			f: func(c contract) {
				files := fstest.MapFS{"page.html": {Data: []byte("<html>")}}
				server := httptest.NewServer(http.FileServerFS(files))
				defer server.Close()
				resp, err := http.Get(server.URL + "/page.html")
				c.ok(err)
				b, err := io.ReadAll(resp.Body)
				c.ok(err)
				c.eq("the page", string(b), "<html>")
				c.eq("its type", resp.Header.Get("Content-Type"), "text/html; charset=utf-8")
			},
		},
		{
			name:     "an upload that is kept in a temporary file",
			promises: "stdio rpath wpath cpath inet",
			f: func(c contract) {
				data := contractData(contractSize)
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					c.ok(r.ParseMultipartForm(1 << 10))
					defer func() { c.ok(r.MultipartForm.RemoveAll()) }()
					f, _, err := r.FormFile("file")
					c.ok(err)
					got, err := io.ReadAll(f)
					c.ok(err)
					fmt.Fprint(w, bytes.Equal(got, data))
				}))
				defer server.Close()
				body := "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n" + string(data) + "\r\n--x--\r\n"
				resp, err := http.Post(server.URL, "multipart/form-data; boundary=x", strings.NewReader(body))
				c.ok(err)
				b, err := io.ReadAll(resp.Body)
				c.ok(err)
				c.eq("the server has all of it", string(b), "true")
			},
		},
	},
)

/* ---- Names ---- */

// contractDNS answers DNS questions: A with two addresses, TXT with a text,
// anything else with nothing. Names that begin with "big" do not fit into UDP.
func contractDNS(question []byte, udp bool) []byte {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	kind := binary.BigEndian.Uint16(question[end+1:])
	end += 5
	answer := slices.Clone(question[:end])
	answer[2], answer[3] = 0x85, 0x80
	binary.BigEndian.PutUint16(answer[4:], 1)
	clear(answer[6:12])
	if udp && strings.HasPrefix(string(question[13:]), "big") {
		answer[2] |= 2
		return answer
	}
	add := func(kind uint16, data []byte) {
		answer[7]++
		answer = append(answer, 0xc0, 12)
		answer = binary.BigEndian.AppendUint16(answer, kind)
		answer = append(answer, 0, 1, 0, 0, 0, 60)
		answer = binary.BigEndian.AppendUint16(answer, uint16(len(data)))
		answer = append(answer, data...)
	}
	switch kind {
	case 1:
		add(1, []byte{127, 0, 0, 9})
		add(1, []byte{127, 0, 0, 8})
	case 16:
		add(16, append([]byte{8}, "contract"...))
	}
	return answer
}

// contractServeDNS serves until the sockets are closed.
func contractServeDNS(c contract, udp net.PacketConn, tcp net.Listener) {
	go func() {
		b := make([]byte, 2048)
		for {
			n, from, err := udp.ReadFrom(b)
			if err != nil {
				return
			}
			_, err = udp.WriteTo(contractDNS(b[:n], true), from)
			c.ok(err)
		}
	}()
	go func() {
		for {
			conn, err := tcp.Accept()
			if err != nil {
				return
			}
			var size [2]byte
			_, err = io.ReadFull(conn, size[:])
			c.ok(err)
			b := make([]byte, binary.BigEndian.Uint16(size[:]))
			_, err = io.ReadFull(conn, b)
			c.ok(err)
			answer := contractDNS(b, false)
			_, err = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
			c.ok(err)
			c.ok(conn.Close())
		}
	}()
}

// contractAsk asks the server at addr in all ways.
func contractAsk(c contract, addr string) {
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	ctx, cancel := context.WithTimeout(context.Background(), contractPatience)
	defer cancel()
	for _, name := range []string{"small.contract.test.", "big.contract.test."} {
		addrs, err := resolver.LookupHost(ctx, name)
		c.ok(err)
		slices.Sort(addrs)
		c.eq("the addresses of "+name, addrs, []string{"127.0.0.8", "127.0.0.9"})
	}
	texts, err := resolver.LookupTXT(ctx, "small.contract.test.")
	c.ok(err)
	c.eq("the text", texts, []string{"contract"})
	_, err = resolver.LookupMX(ctx, "small.contract.test.")
	var dnsError *net.DNSError
	c.true("no such record", errors.As(err, &dnsError) && dnsError.IsNotFound)
}

func contractLocalhost(c contract) {
	addrs, err := net.DefaultResolver.LookupHost(context.Background(), "localhost")
	c.ok(err)
	c.true(fmt.Sprint("the addresses of localhost: ", addrs), slices.Contains(addrs, "127.0.0.1") || slices.Contains(addrs, "::1"))
}

var contractNames = slices.Concat(
	contractRows(contractRow{
		name: "a lookup of localhost",
		f:    contractLocalhost,
	}, "stdio rpath dns inet", "stdio rpath dns", "stdio dns", "stdio dns inet", "stdio rpath inet"),
	contractRows(contractRow{
		name:   "a lookup of localhost by the C library",
		before: func(c contract) { c.ok(os.Setenv("GODEBUG", "netdns=cgo")) },
		f:      contractLocalhost,
	}, "stdio rpath dns inet", "stdio dns", "stdio dns inet"),
	contractRows(contractRow{
		name: "a lookup of localhost now and after the resolver's files grew old",
		f: func(c contract) {
			contractLocalhost(c)
			time.Sleep(5200 * time.Millisecond)
			contractLocalhost(c)
		},
	}, "stdio dns"),
	contractRows(contractRow{
		name: "the name of an address",
		f: func(c contract) {
			names, err := net.LookupAddr("127.0.0.1")
			c.ok(err)
			c.true(fmt.Sprint("it is localhost: ", names), slices.Contains(names, "localhost"))
		},
	}, "stdio rpath dns", "stdio dns"),
	contractRows(contractRow{
		name: "the port of a service",
		f: func(c contract) {
			port, err := net.LookupPort("tcp", "https")
			c.ok(err)
			c.eq("the port of https", port, 443)
			port, err = net.LookupPort("tcp", "8080")
			c.ok(err)
			c.eq("the port of 8080", port, 8080)
		},
	}, "stdio rpath dns inet", "stdio dns inet", "stdio dns"),
	contractRows(contractRow{
		name: "a resolver in the program, over UDP and TCP",
		f: func(c contract) {
			var udp net.PacketConn
			var tcp net.Listener
			for { // until a port is free for both
				var err error
				udp, err = net.ListenPacket("udp", "127.0.0.1:0")
				c.ok(err)
				if tcp, err = net.Listen("tcp", udp.LocalAddr().String()); err == nil {
					break
				}
				c.is(err, syscall.EADDRINUSE)
				c.ok(udp.Close())
			}
			contractServeDNS(c, udp, tcp)
			contractAsk(c, udp.LocalAddr().String())
			c.ok(udp.Close())
			c.ok(tcp.Close())
		},
	}, "stdio rpath dns inet", "stdio dns inet", "stdio rpath inet"),
	contractRows(contractRow{
		name: "a resolver on port 53",
		unless: func() string {
			ln, err := net.Listen("tcp", "127.0.0.77:53")
			if err != nil {
				return err.Error()
			}
			ln.Close()
			return ""
		},
		before: func(c contract) {
			cmd := contractSelf(c, "dns")
			_, err := cmd.StdinPipe() // the server ends when we do
			c.ok(err)
			out, err := cmd.StdoutPipe()
			c.ok(err)
			c.ok(cmd.Start())
			_, err = out.Read(make([]byte, 16))
			c.ok(err)
		},
		f: func(c contract) { contractAsk(c, "127.0.0.77:53") },
	}, "stdio dns", "stdio rpath dns"),
	[]contractRow{
		{
			name:     "network interfaces",
			promises: "stdio rpath route",
			f: func(c contract) {
				ifs, err := net.Interfaces()
				c.ok(err)
				i := slices.IndexFunc(ifs, func(i net.Interface) bool { return i.Flags&net.FlagLoopback != 0 })
				c.true("there is loopback", i >= 0)
				addrs, err := ifs[i].Addrs()
				c.ok(err)
				c.true("it has an address", len(addrs) > 0)
				_, err = ifs[i].MulticastAddrs()
				c.ok(err)
				lo, err := net.InterfaceByName(ifs[i].Name)
				c.ok(err)
				c.eq("its index", lo.Index, ifs[i].Index)
				all, err := net.InterfaceAddrs()
				c.ok(err)
				c.true("there are addresses", len(all) > 0)
			},
		},
		{
			name:     "an interface by ioctl",
			promises: "stdio inet route",
			f: func(c contract) {
				fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
				c.ok(err)
				lo, err := unix.NewIfreq("lo")
				c.ok(err)
				c.ok(unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, lo))
				c.eq("the index", lo.Uint32(), uint32(1))
				c.ok(unix.IoctlIfreq(fd, unix.SIOCGIFMTU, lo))
				c.true("there is an MTU", lo.Uint32() > 1000)
			},
		},
		{
			name:     "network interfaces without route are an error, not the end",
			promises: "stdio inet",
			f: func(c contract) {
				_, err := net.Interfaces()
				c.is(err, syscall.EAFNOSUPPORT)
			},
		},
		func() contractRow {
			var conn net.PacketConn
			return contractRow{
				name:     "an address with a zone",
				promises: "stdio inet",
				before: func(c contract) {
					var err error
					conn, err = net.ListenPacket("udp", "127.0.0.1:0")
					c.ok(err)
				},
				f: func(c contract) {
					_, err := net.Dial("udp", "[fe80::1%lo]:9") // looks the interface up
					c.true(fmt.Sprint("it cannot be reached: ", err), err == nil || errors.Is(err, syscall.ENETUNREACH) ||
						errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EHOSTUNREACH))
					_, err = conn.WriteTo([]byte("x"), conn.LocalAddr())
					c.ok(err)
				},
			}
		}(),
	},
)

/* ---- Users ---- */

var contractUsers = contractRows(contractRow{
	name: "users and groups",
	unless: func() string {
		if _, err := user.Lookup("root"); err != nil {
			return err.Error()
		}
		return ""
	},
	f: func(c contract) {
		root, err := user.Lookup("root")
		c.ok(err)
		c.eq("the number of root", root.Uid, "0")
		byID, err := user.LookupId("0")
		c.ok(err)
		c.eq("the name of 0", byID.Username, "root")
		me, err := user.Current()
		c.ok(err)
		c.eq("my number", me.Uid, strconv.Itoa(os.Getuid()))
		group, err := user.LookupGroup("root")
		c.ok(err)
		c.eq("the group", group.Gid, "0")
		group, err = user.LookupGroupId("0")
		c.ok(err)
		c.eq("the name of group 0", group.Name, "root")
		ids, err := root.GroupIds()
		c.ok(err)
		c.true("root is in group 0", slices.Contains(ids, "0"))
		var unknown user.UnknownUserError
		_, err = user.Lookup("no-such-user")
		c.true(fmt.Sprint("an unknown user: ", err), errors.As(err, &unknown))
		_, err = user.LookupId("54321")
		c.true(fmt.Sprint("an unknown number: ", err), err != nil)
	},
}, "stdio rpath getpw", "stdio getpw")

/* ---- Programs ---- */

// contractSelf is the test binary in one of its roles; see init.
func contractSelf(c contract, role string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	c.ok(err)
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), contractRole+"="+role)
	return cmd
}

// contractRole names the variable that makes the test binary something else.
const contractRole = "CONTRACT_ROLE"

func init() {
	c := contract{}
	switch os.Getenv(contractRole) {
	case "init": // a program that pledges in init
		c.pledge("stdio rpath")
	case "dns":
		udp, err := net.ListenPacket("udp", "127.0.0.77:53")
		c.ok(err)
		tcp, err := net.Listen("tcp", "127.0.0.77:53")
		c.ok(err)
		contractServeDNS(c, udp, tcp)
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	case "cat": // prints its arguments and its input
		fmt.Println(os.Args[1:])
		_, err := io.Copy(os.Stdout, os.Stdin)
		c.ok(err)
		contractLocked(c, 20)
		os.Exit(7)
	case "exec": // pledges, then becomes another program
		c.pledge(os.Args[1])
		c.ok(syscall.Exec(os.Args[2], os.Args[2:], os.Environ()))
	case "run": // pledges, then runs another program
		c.pledge(os.Args[1])
		out, err := exec.Command(os.Args[2], os.Args[3:]...).CombinedOutput()
		c.ok(err)
		os.Stdout.Write(out)
		os.Exit(0)
	}
}

// contractExec is a row that becomes a program, which prints and exits.
func contractExec(name, promises, prints string, status int, argv ...string) contractRow {
	return contractRow{
		name:     name,
		promises: promises,
		f:        func(c contract) { c.ok(syscall.Exec(argv[0], argv, os.Environ())) },
		end:      func(r *pledgetest.Result) { r.Exited(status).Printed(prints) },
	}
}

// contractExecPromises are what a program that starts others needs; wpath is for
// /dev/null, which os/exec opens to write where there is no other output.
const contractExecPromises = "stdio rpath wpath proc exec"

var contractPrograms = slices.Concat(
	contractRows(contractRow{
		name: "programs with nothing, pipes and buffers for standard files",
		f: func(c contract) {
			c.ok(exec.Command("/bin/true").Run())
			var exit *exec.ExitError
			c.true("false fails", errors.As(exec.Command("/bin/false").Run(), &exit))
			c.eq("the status", exit.ExitCode(), 1)
			out, err := exec.Command("echo", "hello").Output()
			c.ok(err)
			c.eq("the output", string(out), "hello\n")
			out, err = exec.Command("/bin/sh", "-c", "echo out; echo err >&2").CombinedOutput()
			c.ok(err)
			c.eq("both outputs", string(out), "out\nerr\n")
			c.true("a program that fails", errors.As(exec.Command("/bin/sh", "-c", "echo why >&2; exit 9").Run(), &exit) && exit.ExitCode() == 9)
			_, err = exec.Command("/bin/sh", "-c", "echo why >&2; exit 9").Output()
			c.true("what it said", errors.As(err, &exit) && string(exit.Stderr) == "why\n")
			c.is(exec.Command("/no/such/program").Run(), fs.ErrNotExist)
			c.is(exec.Command("no-such-program").Run(), exec.ErrNotFound)
			c.is(exec.Command("/etc").Run(), fs.ErrPermission)

			cmd := exec.Command("/bin/cat")
			cmd.Stdin = strings.NewReader("from a reader")
			out, err = cmd.Output()
			c.ok(err)
			c.eq("what cat says", string(out), "from a reader")

			cmd = exec.Command("/bin/sh", "-c", "cat; echo done >&2")
			in, err := cmd.StdinPipe()
			c.ok(err)
			stdout, err := cmd.StdoutPipe()
			c.ok(err)
			stderr, err := cmd.StderrPipe()
			c.ok(err)
			c.ok(cmd.Start())
			_, err = io.WriteString(in, "through pipes")
			c.ok(err)
			c.ok(in.Close())
			got, err := io.ReadAll(stdout)
			c.ok(err)
			said, err := io.ReadAll(stderr)
			c.ok(err)
			c.ok(cmd.Wait())
			c.eq("the outputs", string(got)+string(said), "through pipesdone\n")
			c.true("there is a state", cmd.ProcessState.Success() && cmd.ProcessState.SystemTime() >= 0)
		},
	}, contractExecPromises, "stdio rpath wpath cpath proc exec", "stdio rpath wpath inet dns proc exec"),
	[]contractRow{
		{
			name:     "attributes of programs",
			promises: contractExecPromises,
			before:   contractTree,
			f: func(c contract) {
				run := func(cmd *exec.Cmd) string {
					out, err := cmd.CombinedOutput()
					c.ok(err)
					return string(out)
				}
				cmd := exec.Command("/bin/ls")
				cmd.Dir = "tree/sub"
				c.eq("another directory", run(cmd), "b.txt\ndeep\n")
				cmd = exec.Command("/bin/sh", "-c", "echo $A")
				cmd.Env = []string{"A=b"}
				c.eq("another environment", run(cmd), "b\n")
				cmd = exec.Command("/bin/sh", "-c", "read x <&3; echo $x")
				f, err := os.Open("tree/a.txt")
				c.ok(err)
				cmd.ExtraFiles = []*os.File{f}
				out, err := cmd.CombinedOutput()
				c.ok(err)
				c.eq("an extra file", string(out), "alpha\n")
				cmd = exec.Command("/bin/sh", "-c", "echo $PPID")
				cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
				c.eq("with a death signal", run(cmd), strconv.Itoa(os.Getpid())+"\n")
				cmd = exec.Command("/bin/sh", "-c", "cut -d' ' -f5,6 /proc/$$/stat")
				cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
				sid := strings.Fields(run(cmd))
				c.eq("the session", sid, []string{strconv.Itoa(cmd.Process.Pid), strconv.Itoa(cmd.Process.Pid)})

				cmd = exec.Command("/bin/sh", "-c", "sleep 60 & wait")
				cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
				c.ok(cmd.Start())
				pgid, err := syscall.Getpgid(cmd.Process.Pid)
				c.ok(err)
				c.eq("the process group", pgid, cmd.Process.Pid)
				c.ok(syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM))
				var exit *exec.ExitError
				c.true("the group ends", errors.As(cmd.Wait(), &exit))
				c.eq("its signal", exit.Sys().(syscall.WaitStatus).Signal(), syscall.SIGTERM)
			},
		},
		{
			name:     "programs that are stopped early",
			promises: contractExecPromises,
			f: func(c contract) {
				start := time.Now()
				signaled := func(err error, want syscall.Signal) {
					var exit *exec.ExitError
					c.true(fmt.Sprint("it was signaled: ", err), errors.As(err, &exit))
					c.eq("the signal", exit.Sys().(syscall.WaitStatus).Signal(), want)
				}
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
				defer cancel()
				signaled(exec.CommandContext(ctx, "/bin/sleep", "60").Run(), syscall.SIGKILL)
				ctx, cancel = context.WithCancel(context.Background())
				cmd := exec.CommandContext(ctx, "/bin/sleep", "60")
				cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
				cmd.WaitDelay = contractPatience
				c.ok(cmd.Start())
				cancel()
				signaled(cmd.Wait(), syscall.SIGINT)
				cmd = exec.Command("/bin/sleep", "60")
				c.ok(cmd.Start())
				c.ok(cmd.Process.Signal(syscall.Signal(0)))
				c.ok(cmd.Process.Kill())
				signaled(cmd.Wait(), syscall.SIGKILL)
				c.is(cmd.Process.Kill(), os.ErrProcessDone)
				c.true("nobody slept", time.Since(start) < contractPatience)
			},
		},
		{
			name:     "os.StartProcess and waiting by hand",
			promises: contractExecPromises,
			f: func(c contract) {
				r, w, err := os.Pipe()
				c.ok(err)
				p, err := os.StartProcess("/bin/echo", []string{"echo", "started"}, &os.ProcAttr{Files: []*os.File{nil, w, os.Stderr}})
				c.ok(err)
				c.ok(w.Close())
				out, err := io.ReadAll(r)
				c.ok(err)
				c.eq("the output", string(out), "started\n")
				state, err := p.Wait()
				c.ok(err)
				c.true("it went well", state.Success() && state.Pid() == p.Pid)

				pid, err := syscall.ForkExec("/bin/sh", []string{"sh", "-c", "exit 4"}, &syscall.ProcAttr{Files: []uintptr{0, 1, 2}})
				c.ok(err)
				var ws syscall.WaitStatus
				var use syscall.Rusage
				got, err := syscall.Wait4(-1, &ws, 0, &use)
				c.ok(err)
				c.eq("the process", got, pid)
				c.eq("its status", ws.ExitStatus(), 4)

				p, err = os.StartProcess("/bin/sleep", []string{"sleep", "60"}, &os.ProcAttr{})
				c.ok(err)
				other, err := os.FindProcess(p.Pid)
				c.ok(err)
				c.ok(other.Kill())
				state, err = p.Wait()
				c.ok(err)
				c.eq("how it ended", state.String(), "signal: killed")
			},
		},
		{
			name:     "pipelines in the shell",
			promises: contractExecPromises,
			before: func(c contract) {
				c.write("words", "pear\napple\nfig\napple\n")
			},
			f: func(c contract) {
				for script, want := range map[string]string{
					"echo b c a | tr ' ' '\\n' | sort | head -n 1":        "a\n",
					"sort <words | uniq -c | sort -rn | awk '{print $2}'": "apple\npear\nfig\n",
					"grep -c apple words; sed -n 3p words; wc -l <words":  "2\nfig\n4\n",
					"x=$(cat words | cut -c1 | paste -sd,); echo $x":      "p,a,f,a\n",
					"ls | xargs -n1 basename":                             "words\n",
					"find . -name 'w*' -type f":                           "./words\n",
					"TZ=America/New_York date -d @1700000000 +%H:%M":      "17:13\n",
					"(sleep 0.05; echo late) & echo early; wait":          "early\nlate\n",
					"trap 'echo trapped' USR1; kill -USR1 $$; echo end":   "trapped\nend\n",
					"cat <<EOF\nhere\nEOF":                                "here\n",
					"env A=1 printenv A; uname -s; id -u; test -r words":  "1\nLinux\n" + strconv.Itoa(os.Getuid()) + "\n",
					"timeout 5 echo in time; nice echo nice":              "in time\nnice\n",
				} {
					out, err := exec.Command("/bin/sh", "-c", script).CombinedOutput()
					if err != nil {
						err = fmt.Errorf("%s: %w\n%s", script, err, out)
					}
					c.ok(err)
					c.eq("the output of "+script, string(out), want)
				}
			},
		},
		{
			name:     "a shell that writes files",
			promises: "stdio rpath wpath cpath fattr proc exec",
			f: func(c contract) {
				out, err := exec.Command("/bin/sh", "-ec", `
					echo one >a; echo two >>a; ls nowhere >/dev/null 2>&1 || true
					cp a b; mv b c; mkdir d; ln -s ../a d/l; chmod 600 c; touch -d @1700000000 c
					cat d/l; stat -c '%a %Y' c; rm -r c d; ls`).CombinedOutput()
				c.ok(err)
				c.eq("the output", string(out), "one\ntwo\n600 1700000000\na\n")
			},
		},
		{
			name:     "a shell that reads the null device",
			promises: contractExecPromises,
			f: func(c contract) {
				out, err := exec.Command("/bin/sh", "-c", "cat </dev/null; echo good").CombinedOutput()
				c.ok(err)
				c.eq("the output", string(out), "good\n")
			},
		},
		{
			name:     "a shell that writes to the null device, which says O_CREAT",
			promises: "stdio rpath wpath cpath proc exec",
			f: func(c contract) {
				out, err := exec.Command("/bin/sh", "-c", "ls nowhere 2>/dev/null; echo bad >>/dev/null; echo good").CombinedOutput()
				c.ok(err)
				c.eq("the output", string(out), "good\n")
			},
		},
		{
			name:     "bash",
			promises: contractExecPromises,
			unless:   contractNeedsFile("/bin/bash"),
			f: func(c contract) {
				out, err := exec.Command("/bin/bash", "-c", "x=(a b); echo ${#x[@]} | { read n; echo $n; }").CombinedOutput()
				c.ok(err)
				c.eq("the output", string(out), "2\n")
			},
		},
		{
			name:     "twenty programs at once, started from many threads",
			promises: contractExecPromises,
			f: func(c contract) {
				var wg sync.WaitGroup
				for i := range 20 {
					wg.Go(func() {
						runtime.LockOSThread()
						out, err := exec.Command("/bin/echo", strconv.Itoa(i)).Output()
						c.ok(err)
						c.eq("the output", string(out), strconv.Itoa(i)+"\n")
					})
				}
				wg.Wait()
			},
		},
	},
	contractRows(contractRow{
		name: "the program runs itself",
		f: func(c contract) {
			cmd := contractSelf(c, "cat", "x", "y")
			cmd.Stdin = strings.NewReader("input")
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			c.true(fmt.Sprintf("it exits: %v %s", err, out), errors.As(err, &exit))
			c.eq("the status", exit.ExitCode(), 7)
			c.eq("the output", string(out), "[x y]\ninput")
		},
	}, contractExecPromises, "stdio rpath inet unix proc exec"),
	[]contractRow{
		contractExec("exec of a program", "stdio rpath exec", "cannot access", 2, "/bin/ls", "/no/such/file"),
		contractExec("exec of a shell", "stdio rpath exec", "became sh", 5, "/bin/sh", "-c", "echo became sh; exit 5"),
		{
			name:     "exec of a program that is not there is an error",
			promises: "stdio rpath exec",
			f: func(c contract) {
				c.is(syscall.Exec("/no/such/program", []string{"x"}, nil), syscall.ENOENT)
				contractLocked(c, 4)
			},
		},
		{
			name:     "exec of itself, a Go program",
			promises: "stdio rpath exec",
			before:   func(c contract) { c.ok(os.Setenv(contractRole, "cat")) },
			f: func(c contract) {
				self, err := os.Executable()
				c.ok(err)
				c.ok(syscall.Exec(self, []string{self, "became", "itself"}, os.Environ()))
			},
			end: func(r *pledgetest.Result) { r.Exited(7).Printed("[became itself]") },
		},
		{
			// The Go runtime raises the soft limit of open files when a
			// program starts and lowers it again when it starts another.
			name: "programs under a soft limit of open files",
			child: func(c contract) {
				self, err := os.Executable()
				c.ok(err)
				for role, promises := range map[string]string{"exec": "stdio rpath exec", "run": contractExecPromises} {
					cmd := exec.Command("/bin/sh", "-c", `ulimit -Sn 512; exec "$0" "$@"`, self, promises, "/bin/sh", "-c", "ulimit -Sn")
					cmd.Env = append(os.Environ(), contractRole+"="+role)
					out, err := cmd.CombinedOutput()
					if err != nil {
						err = fmt.Errorf("%s: %w: %s", role, err, out)
					}
					c.ok(err)
					c.eq("the limit", string(out), "512\n")
				}
			},
		},
	},
)

/* ---- Pledging ---- */

var contractPledges = []contractRow{
	{
		name:     "violations are errors",
		promises: "stdio error",
		before:   func(c contract) { c.write("data", "x") },
		f: func(c contract) {
			c.is(os.Mkdir("dir", 0o755), syscall.ENOSYS)
			_, err := os.ReadFile("data")
			c.is(err, syscall.ENOSYS)
			c.is(os.Remove("data"), syscall.ENOSYS)
			_, err = net.Dial("tcp", "127.0.0.1:1")
			c.is(err, syscall.ENOSYS)
			_, err = net.Listen("tcp", "127.0.0.1:0")
			c.true("listening fails", err != nil)
			c.true("programs cannot be started", exec.Command("/bin/true").Run() != nil)
			_, err = user.LookupId("54321")
			c.true("users cannot be looked up", err != nil)
			_, err = net.LookupHost("contract.invalid")
			c.true("names cannot be looked up", err != nil)
			_, err = time.LoadLocation("Asia/Tokyo")
			c.true("zones cannot be loaded", err != nil)
			c.is(syscall.Exec("/bin/true", []string{"true"}, nil), syscall.ENOSYS)
			log.Println("life goes on")
			contractLocked(c, 32)
			contractChurn(c)
		},
		end: func(r *pledgetest.Result) { r.OK().Printed("life goes on") },
	},
	{
		name:     "more is asked for under error and left out",
		promises: "stdio error",
		f: func(c contract) {
			c.pledge("stdio rpath error")
			_, err := os.ReadFile("/etc/passwd")
			c.is(err, syscall.ENOSYS)
		},
	},
	{
		name: "promises are given up one by one",
		child: func(c contract) {
			c.write("data", "x")
			c.pledge("stdio rpath wpath cpath inet")
			c.write("data", "y")
			c.pledge("stdio rpath inet")
			c.eq("the content", c.read("data"), "y")
			c.pledge("stdio rpath")
			c.eq("the content", c.read("data"), "y")
			c.pledge("stdio")
			log.SetFlags(0)
			log.Println("under stdio")
			contractLocked(c, 24)
			c.pledge("")
			fmt.Println("under nothing")
			contractLocked(c, 24)
			runtime.GC()
			os.Exit(3)
		},
		end: func(r *pledgetest.Result) { r.Exited(3).Printed("under stdio").Printed("under nothing") },
	},
	{
		name: "the same promises again and again",
		child: func(c contract) {
			for range 500 {
				c.pledge("stdio rpath")
			}
			c.true("there is a file", len(c.read("/etc/passwd")) > 0)
			contractLocked(c, 16)
		},
	},
	{
		name: "many goroutines pledge at once",
		child: func(c contract) {
			var wg sync.WaitGroup
			for range 32 {
				wg.Go(func() {
					runtime.LockOSThread()
					c.pledge("stdio rpath")
					c.true("there is a file", len(c.read("/etc/passwd")) > 0)
				})
			}
			wg.Wait()
			contractLocked(c, 32)
		},
	},
	{
		name:     "more is asked for and refused",
		promises: "stdio rpath",
		f: func(c contract) {
			c.is(pledge.Pledge("stdio rpath inet"), syscall.EPERM)
			c.is(pledge.Pledge("stdio no-such-promise"), syscall.EINVAL)
			c.true("there is a file", len(c.read("/etc/passwd")) > 0)
			c.pledge("stdio")
			c.is(pledge.Pledge("stdio rpath"), syscall.EPERM)
		},
	},
	{
		name: "PledgeBoth as OpenBSD's programs write it",
		child: func(c contract) {
			c.ok(pledge.PledgeBoth("stdio rpath", ""))
			c.true("there is a file", len(c.read("/etc/passwd")) > 0)
			c.ok(pledge.PledgeBoth("stdio", ""))
			fmt.Println("still here")
		},
		end: func(r *pledgetest.Result) { r.OK().Printed("still here") },
	},
	{
		name: "a pledge while programs run, which are waited for later",
		child: func(c contract) {
			cmd := exec.Command("/bin/sh", "-c", "sleep 0.1; echo later")
			out, err := cmd.StdoutPipe()
			c.ok(err)
			c.ok(cmd.Start())
			c.pledge("stdio")
			b, err := io.ReadAll(out)
			c.ok(err)
			c.eq("the output", string(b), "later\n")
			c.ok(cmd.Wait())
		},
	},
}

// TestGoContractInit runs this very test in a program that has pledged in
// init, before main and the testing package began.
func TestGoContractInit(t *testing.T) {
	c := contract{}
	if os.Getenv(contractRole) == "init" {
		contractLocked(c, 24)
		runtime.GC()
		c.true("there is a file", len(c.read("/etc/passwd")) > 0)
		c.pledge("stdio")
		fmt.Println("pledged in init at", time.Now().Year())
		os.Exit(4)
	}
	out, err := contractSelf(c, "init", "-test.run=^TestGoContractInit$", "-test.count=1").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 4 || !strings.Contains(string(out), "pledged in init at 2") {
		t.Errorf("the program that pledges in init: %v, want exit status 4\n%s", err, out)
	}
}
