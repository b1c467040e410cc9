module example.test/runs-out-of-memory

go 1.25
