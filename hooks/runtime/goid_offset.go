package sandboxhook

// goidOffset is where a goroutine's number lies in runtime.g. `rewriter runtime` puts its own finding for the toolchain
// in use in this file's place; this one is right for Go 1.25 to 1.27 on amd64, and a test compares it with the number
// in a stack trace.
const goidOffset = 152
