// Compares check-history's verdict on linearizability with Porcupine's, on random small histories (README.md).
package main

import (
	"flag"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/anishathalye/porcupine"
)

// What check-history says of the registers and counters of a history; other checks do not count here.
func judge(program, path string) (linearizable bool, text string) {
	out, err := exec.Command(program, path).CombinedOutput()
	if exit, failed := err.(*exec.ExitError); err != nil && (!failed || exit.ExitCode() != 1) {
		fmt.Fprintf(os.Stderr, "%s %s: %v\n%s", program, path, err, out)
		os.Exit(2)
	}
	text = string(out)
	no := strings.Contains(text, "keys: NOT linearizable")
	if no == strings.Contains(text, "keys: linearizable") {
		fmt.Fprintf(os.Stderr, "%s %s: no verdict\n%s", program, path, out)
		os.Exit(2)
	}
	return !no, text
}

func main() {
	program := flag.String("check-history", "build/bin/check-history", "the program to compare")
	count := flag.Int("n", 10000, "histories")
	seed := flag.Int64("seed", 1, "of the first; counted up")
	keep := flag.String("keep", "", "a directory for histories that the two judge differently")
	flag.Parse()
	dir, err := os.MkdirTemp("", "compare-porcupine-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "history.jsonl")
	linearizable, differ := 0, 0
	for s := *seed; s < *seed+int64(*count); s++ {
		h := generate(rand.New(rand.NewSource(s)))
		lines := h.lines()
		if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		ours, text := judge(*program, path)
		theirs := porcupine.CheckOperations(h.model(), h.operations())
		if theirs {
			linearizable++
		}
		if ours == theirs {
			continue
		}
		differ++
		if differ <= 3 {
			fmt.Printf("seed %d: check-history says linearizable = %v, Porcupine %v\n%s%s\n", s, ours, theirs, lines, text)
		}
		if *keep != "" {
			if err := os.WriteFile(filepath.Join(*keep, fmt.Sprintf("%d.jsonl", s)), []byte(lines), 0o600); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}
	fmt.Printf("%d histories, %d of them linearizable: %d judged differently\n", *count, linearizable, differ)
	if differ > 0 {
		os.RemoveAll(dir)
		os.Exit(1)
	}
}
