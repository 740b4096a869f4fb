// Cat prints files, or standard input, and can do nothing else: it is the
// quick start of package pledge.
//
//	cat [-violate] [FILE ...]
//
// The promises "stdio rpath" let it read files and write to what is open. With
// -violate it tries to open a socket at the end, as somebody would who found a
// way to run code in it, and the kernel kills it with SIGSYS: a shell sees the
// exit status 159, which is 128 + 31.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"github.com/gopledge/pledge"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("cat: ")

	// The sooner the better: the arguments may already come from an enemy.
	if err := pledge.Pledge("stdio rpath"); err != nil {
		log.Fatal(err)
	}

	flag.Usage = func() { fmt.Fprintln(os.Stderr, "usage: cat [-violate] [FILE ...]") }
	violate := flag.Bool("violate", false, "break the promises at the end")
	flag.Parse()

	files := flag.Args()
	if len(files) == 0 {
		// Standard input is open already. Promises can be given up at any
		// time, and none can be taken back.
		if err := pledge.Pledge("stdio"); err != nil {
			log.Fatal(err)
		}
		files = []string{"-"}
	}

	status := 0
	for _, name := range files {
		if err := printFile(name); err != nil {
			log.Print(err)
			status = 1
		}
	}

	if *violate {
		log.Printf("opening a socket, which %q does not promise", pledge.Status().Promises)
		_, err := net.Dial("tcp", "127.0.0.1:80")
		log.Fatalf("still alive: %v", err) // not reached
	}
	os.Exit(status)
}

// printFile copies the named file, or standard input for "-", to standard
// output.
func printFile(name string) error {
	f := os.Stdin
	if name != "-" {
		var err error
		if f, err = os.Open(name); err != nil {
			return err
		}
		defer f.Close()
	}
	_, err := io.Copy(os.Stdout, f)
	return err
}
