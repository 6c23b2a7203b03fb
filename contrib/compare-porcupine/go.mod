module candor/contrib/compare-porcupine

go 1.22

require github.com/anishathalye/porcupine v1.0.3
