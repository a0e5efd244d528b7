module porthole.dev/bench/gortsplib

go 1.24
