module porthole.dev/bench/gortsplib

go 1.24

require github.com/bluenviron/gortsplib/v4 v4.11.0
