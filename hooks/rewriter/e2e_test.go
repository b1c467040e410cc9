package main

import (
	"regexp"
	"strings"
	"testing"
)

// Addresses and argument words of a stack trace differ between any two builds: a function that is not inlined shows its
// arguments, one that is shows "...".
var (
	frameArguments = regexp.MustCompile(`\((0x[0-9a-f]+|\{|\.\.\.)[^()\n]*\)\n`)
	frameOffset    = regexp.MustCompile(` \+0x[0-9a-f]+\n`)
	emptyArguments = regexp.MustCompile(`\(\)\n`)
	faultPlace     = regexp.MustCompile(` pc=0x[0-9a-f]+\]`)
)

func normalized(r result) result {
	for _, text := range []*string{&r.stdout, &r.stderr} {
		*text = frameArguments.ReplaceAllString(*text, "(…)\n")
		*text = emptyArguments.ReplaceAllString(*text, "(…)\n")
		*text = frameOffset.ReplaceAllString(*text, "\n")
		*text = faultPlace.ReplaceAllString(*text, "]")
	}
	return r
}

func TestArgumentsAndResultsOfOpenFileAreRecorded(t *testing.T) {
	p := newProject(t, map[string]string{"main.go": `package main

import ("fmt"; "os")

func main() {
	_, err := os.OpenFile("/nonexistent", os.O_RDONLY, 0)
	fmt.Println(err)
}
`}, ruleText(0, `{"function":"os.OpenFile"}`,
		`{"kind":"record","arguments":["name"],"results":["#1"],"duration":true}`, "name"))
	clean, hooked := p.build(".")
	got := strings.Join(p.same(clean, hooked), "\n")
	want := "enter os.OpenFile 0=/nonexistent\nexit os.OpenFile 129=*fs.PathError"
	if !strings.HasPrefix(got, "enter os.OpenFile 0=/nonexistent\nexit os.OpenFile") {
		t.Errorf("got %s\nwant %s", got, want)
	}
	t.Log(got)
}

func TestEverythingHookedBehavesTheSame(t *testing.T) {
	t.Parallel()
	p := newProject(t, map[string]string{"main.go": `package main

import ("fmt"; "os"; "strings"; "time"; "sort"; "encoding/json"; "errors"; "net/http"; "net/http/httptest"; "io")

func main() {
	fmt.Println(strings.ToUpper("abc"), len(os.Args))
	time.Sleep(time.Millisecond)
	x := []int{3, 1, 2}
	sort.Ints(x)
	b, _ := json.Marshal(map[string]any{"x": x, "y": errors.New("e").Error()})
	fmt.Println(string(b))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }))
	r, err := http.Get(s.URL)
	if err != nil { panic(err) }
	body, _ := io.ReadAll(r.Body)
	fmt.Println(string(body))
}
`}, everything(0))
	clean, hooked := p.build(".")
	if events := p.same(clean, hooked); len(events) < 1000 {
		t.Errorf("%d events: %s", len(events), strings.Join(events, "\n"))
	}
}
