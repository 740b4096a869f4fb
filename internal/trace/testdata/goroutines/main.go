// A small Go program of several goroutines.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

func main() {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			runtime.GC()
			time.Sleep(time.Millisecond)
		})
	}
	wg.Wait()
	b, err := os.ReadFile("a.txt")
	fmt.Printf("%s%v\n", b, err)
}
