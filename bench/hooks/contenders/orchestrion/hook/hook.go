// Package hook has as much of an event system as the advice calls: a parent operation that is nil while nobody listens,
// operations, and listeners that are functions unknown at compile time, as dd-trace-go's are.
package hook

var (
	parent    *Operation
	listeners []any
	seen      int
)

type Operation struct {
	parent    *Operation
	listeners []func()
}

func FromContext() *Operation { return parent }

//go:noinline
func NewOperation(parent *Operation) *Operation { return &Operation{parent: parent} }

//go:noinline
func OnBlock(o *Operation, listener func()) { o.listeners = append(o.listeners, listener) }

func Start[Arguments any](o *Operation, arguments Arguments) { emit(o, arguments) }

func Finish[Results any](o *Operation, results Results) { emit(o, results) }

func emit[Event any](o *Operation, event Event) {
	for _, listener := range listeners {
		if listener, ok := listener.(func(*Operation, Event)); ok {
			listener(o, event)
		}
	}
}

func listen[Event any]() {
	listeners = append(listeners, func(*Operation, Event) { seen++ })
}

func SwitchOn() {
	parent = &Operation{}
	listen[OpenArguments]()
	listen[OpenResults]()
	listen[ReadArguments]()
	listen[ReadResults]()
	listen[ScaleArguments]()
	listen[ScaleResults]()
}

type OpenArguments struct {
	Path  string
	Flags int
	Mode  uint32
}

type OpenResults struct {
	Descriptor *int
	Err        *error
}

type ReadArguments struct{ To []byte }

type ReadResults struct {
	N   *int
	Err *error
}

type ScaleArguments struct{ Value, Factor int }

type ScaleResults struct{ Product *int }
