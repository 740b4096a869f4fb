package pledge_test

import (
	"errors"
	"fmt"
	"log"
	"net"
	"os"

	"github.com/gopledge/pledge"
)

// A server gives up what it needed to start before it serves.
func ExamplePledge() {
	if err := pledge.Pledge("stdio rpath inet"); err != nil {
		log.Fatal(err)
	}
	config, err := os.ReadFile("/etc/myserver.conf")
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", string(config))
	if err != nil {
		log.Fatal(err)
	}
	if err := pledge.Pledge("stdio inet"); err != nil {
		log.Fatal(err)
	}
	serve(l)
}

func serve(net.Listener) {}

// During development, a violation is to show the line that made it.
func ExampleConfig_Pledge() {
	config := pledge.Config{}
	if os.Getenv("MYPROGRAM_DEBUG") != "" {
		config.Violation = pledge.Trap
	}
	if err := config.Pledge("stdio rpath"); err != nil {
		log.Fatal(err)
	}
}

// A program may go on where promises cannot be enforced, if it says so.
func ExampleUnsupportedError() {
	err := pledge.Pledge("stdio")
	if errors.Is(err, errors.ErrUnsupported) {
		log.Printf("running without a sandbox: %v", err)
	} else if err != nil {
		log.Fatal(err)
	}
}

func ExampleParse() {
	set, err := pledge.Parse("wpath  stdio rpath ")
	fmt.Printf("%q %v\n", set, err)
	_, err = pledge.Parse("stdio rpaht")
	fmt.Println(err)
	// Output:
	// "stdio rpath wpath" <nil>
	// pledge: unknown promise "rpaht" in "stdio rpaht"; did you mean "rpath"?
}

func ExampleSet() {
	set, _ := pledge.Parse("stdio rpath inet")
	fmt.Println(set.Has(pledge.Inet), set.Without(pledge.Inet), set.SubsetOf(set.With(pledge.DNS)))
	for p := range set.All() {
		fmt.Print(p, ".")
	}
	// Output:
	// true stdio rpath true
	// stdio.rpath.inet.
}
