package sandboxhook

// Site is one hooked place: static data that the rewriter writes beside the code it hooks. The supervisor finds it in
// the executable by its symbol and its magic.
type Site struct {
	Magic                    uint64
	Rule, Kind, Line, Column uint32
	Record                   uint64 // bit i: input i is recorded, not only read by the condition
	Options                  uint32
	Inputs                   uint32
	Function, File, Names    string // Names: "input,input;result,result"
	Text                     string // what an abort says
	State                    [6]uint64
}

// Words of Site.State, each changed atomically.
const (
	stateCounter = 0 // index of the site's counter + 1; counterNone when the table was full
	stateRate    = 1 // token bucket of the condition
	statePace    = 2 // token bucket of the rule's events per second
	stateSample  = 3 // times the site fired, for sampling
	stateKeys    = 4 // keysKnown and a bit for each value whose name says that it is secret
)

// Frame is the caller's room for what Exit must know of its Enter; the zero value is one whose Enter never was.
type Frame struct {
	site      *Site
	enter     uint64 // the enter event's position + 1; 0: it was not recorded, so nothing is to be written
	panicking uintptr
}

// Error is what an aborted function returns: a static variable, so that returning it allocates nothing.
type Error struct{ Text string }

func (e *Error) Error() string { return e.Text }

// Flags has a word for each rule; hooked code tests it before anything else. It shows the control page once that is
// mapped, zeros until then.
var Flags = &dormant

var dormant [ruleLimit]uint32
