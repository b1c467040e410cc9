package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var modules = flag.String("modules", "", "only the modules whose path matches this regular expression")

// popularModule is a module whose own tests must say the same with everything hooked: the module, what it depends on and
// the standard library. Its h1 covers its go.sum, and thereby what it depends on.
type popularModule struct{ path, version, h1 string }

var popularModules = []popularModule{
	{"github.com/spf13/cobra", "v1.9.1", "h1:CXSaggrXdbHK9CF+8ywj8Amf7PBRmPCOJugH954Nnlo="},
	{"github.com/spf13/pflag", "v1.0.6", "h1:jFzHGLGAlb3ruxLB8MhbI6A8+AQX/2eW4qeyNZXNp2o="},
	{"github.com/spf13/cast", "v1.7.1", "h1:cuNEagBQEHWN1FnbGEjCXL2szYEXqfJPbP2HNUaca9Y="},
	{"github.com/sirupsen/logrus", "v1.9.3", "h1:dueUQJ1C2q9oE3F7wvmSGAaVtTmUizReu6fjN8uqzbQ="},
	{"go.uber.org/zap", "v1.27.0", "h1:aJMhYGrd5QSmlpLMr2MftRKl7t8J8PTZPA732ud/XR8="},
	{"go.uber.org/multierr", "v1.11.0", "h1:blXXJkSxSSfBVBlC76pxqeO+LN3aDfLQo+309xJstO0="},
	{"go.uber.org/atomic", "v1.11.0", "h1:ZvwS0R+56ePWxUNi+Atn9dWONBPp/AUETXlHW0DxSjE="},
	{"github.com/rs/zerolog", "v1.33.0", "h1:1cU2KZkvPxNyfgEmhHAz/1A9Bz+llsdYzklWFzgp0r8="},
	{"github.com/stretchr/testify", "v1.10.0", "h1:Xv5erBjTwe/5IxqUQTdXv5kgmIvbHo3QQyRwhJsOfJA="},
	{"github.com/google/uuid", "v1.6.0", "h1:NIvaJDMOsjHA8n1jAhLSgzrAzy1Hgr+hNrb57e+94F0="},
	{"github.com/google/go-cmp", "v0.7.0", "h1:wk8382ETsv4JYUZwIsn6YpYiWiBsYLSJiTsyBybVuN8="},
	{"github.com/google/btree", "v1.1.3", "h1:CVpQJjYgC4VbzxeGVHfvZrv1ctoYCAI8vbl07Fcxlyg="},
	{"github.com/BurntSushi/toml", "v1.4.0", "h1:kuoIxZQy2WRRk1pttg9asf+WVv6tWQuBNVmK8+nqPr0="},
	{"github.com/pelletier/go-toml/v2", "v2.2.3", "h1:YmeHyLY8mFWbdkNWwpr+qIL2bEqT0o95WSdkNHvL12M="},
	{"github.com/tidwall/gjson", "v1.18.0", "h1:FIDeeyB800efLX89e5a8Y0BNH+LOngJyGrIWxG2FKQY="},
	{"github.com/go-chi/chi/v5", "v5.2.0", "h1:Aj1EtB0qR2Rdo2dG4O94RIU35w2lvQSj6BRA4+qwFL0="},
	{"github.com/gorilla/mux", "v1.8.1", "h1:TuBL49tXwgrFYWhqrNgrUNEY92u81SPhu7sTdzQEiWY="},
	{"github.com/gorilla/websocket", "v1.5.3", "h1:saDtZ6Pbx/0u+bgYQ3q96pZgCzfhKXGPqt7kZ72aNNg="},
	{"github.com/gin-gonic/gin", "v1.10.0", "h1:nTuyha1TYqgedzytsKYqna+DfLos46nTv2ygFy86HFU="},
	{"github.com/julienschmidt/httprouter", "v1.3.0", "h1:U0609e9tgbseu3rBINet9P48AI/D3oJs4dN7jwJOQ1U="},
	{"github.com/go-playground/validator/v10", "v10.24.0", "h1:KHQckvo8G6hlWnrPX4NJJ+aBfWNAE/HH+qdL2cBpCmg="},
	{"github.com/fsnotify/fsnotify", "v1.8.0", "h1:dAwr6QBTBZIkG8roQaJjGof0pp0EeF+tNV7YBP3F/8M="},
	{"github.com/pkg/errors", "v0.9.1", "h1:FEBLx1zS214owpjy7qsBeixbURkuhQAwrK5UwLGTwt4="},
	{"github.com/mitchellh/mapstructure", "v1.5.0", "h1:jeMsZIYE/09sWLaz43PL7Gy6RuMjD2eJVyuac5Z2hdY="},
	{"github.com/shopspring/decimal", "v1.4.0", "h1:bxl37RwXBklmTi0C79JfXCEBD1cqqHt0bbgBAGFp81k="},
	{"github.com/fatih/color", "v1.18.0", "h1:S8gINlzdQ840/4pfAwic/ZE0djQEH3wM94VfqLTZcOM="},
	{"github.com/Masterminds/semver/v3", "v3.3.1", "h1:QtNSWtVZ3nBfk8mAOu/B6v7FMJ+NHTIgUPi7rj+4nv4="},
	{"github.com/hashicorp/golang-lru/v2", "v2.0.7", "h1:a+bsQ5rvGLjzHuww6tVxozPZFVghXaHOwFs4luLUK2k="},
	{"github.com/hashicorp/go-multierror", "v1.1.1", "h1:H5DkEtf6CXdFp0N0Em5UCwQpXMWke8IA0+lD48awMYo="},
	{"github.com/cespare/xxhash/v2", "v2.3.0", "h1:UL815xU9SqsFlibzuggzjXhog7bL6oX9BbNZnL2UFvs="},
	{"github.com/golang-jwt/jwt/v5", "v5.2.1", "h1:OuVbFODueb089Lh128TAcimifWaLhJwVflnrgM17wHk="},
	{"github.com/cenkalti/backoff/v4", "v4.3.0", "h1:MyRJ/UdXutAwSAT+s3wNd7MfTIcy71VQueUuFK343L8="},
	{"github.com/dustin/go-humanize", "v1.0.1", "h1:GzkhY7T5VNhEkwH0PVJgjz+fX1rhBrR7pRT3mDkpeCY="},
	{"golang.org/x/sync", "v0.10.0", "h1:3NQrjDixjgGwUOCaF8w2+VYHv0Ve/vGYSbdkTa98gmQ="},
	{"golang.org/x/mod", "v0.22.0", "h1:D4nJWe9zXqHOmWqj4VMOJhvzj7bEZg4wEYa759z1pH4="},
}

func TestPopularModules(t *testing.T) {
	if !*long {
		t.Skip("it takes most of an hour and fetches modules: run with -long")
	}
	wanted := regexp.MustCompile(*modules)
	found, totals := newDifferences(t, "module"), map[string]int{}
	for _, m := range popularModules {
		if !wanted.MatchString(m.path) {
			continue
		}
		t.Run(m.path, func(t *testing.T) {
			begin := time.Now()
			counts := m.compare(t, found)
			t.Logf("%s@%s: %v, %v", m.path, m.version, counts, time.Since(begin).Round(time.Second))
			for outcome, count := range counts {
				totals[outcome] += count
			}
			totals["modules"]++
		})
	}
	t.Logf("in all: %v", totals)
	found.check()
}

// compare runs a module's tests clean and hooked.
func (m popularModule) compare(t *testing.T, found *differences) map[string]int {
	t.Helper()
	p := newProject(t, nil, everything(0))
	p.directory = filepath.Join(p.directory, m.path) // some tests want to see this path in a stack trace
	proxy, err := exec.Command("go", "env", "GOPROXY").Output()
	if err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "GOPROXY="+strings.TrimSpace(string(proxy)), "GOFLAGS=", "GOSUMDB=off", "GOWORK=off")
	m.fetch(p)
	c := &comparison{p: p, hooks: p.hookFlags(p.plan("-test", "./...")), found: found, prints: true}
	counts := c.run("./...")
	if counts["pass"] == 0 {
		t.Errorf("%s: not one test passes", m.path)
	}
	return counts
}

// fetch has the go command download the module from where the host gets its modules, and unpacks it as a main module.
func (m popularModule) fetch(p *project) {
	p.t.Helper()
	if err := os.MkdirAll(p.directory, 0o777); err != nil {
		p.t.Fatal(err)
	}
	command := p.command("go", "mod", "download", "-json", m.path+"@"+m.version)
	output, err := command.Output()
	var downloaded struct{ Zip, Error string }
	if json.Unmarshal(output, &downloaded) != nil || downloaded.Zip == "" {
		p.t.Fatalf("%s@%s cannot be fetched: %v: %s", m.path, m.version, err, output)
	}
	archive, err := zip.OpenReader(downloaded.Zip)
	if err != nil {
		p.t.Fatal(err)
	}
	defer archive.Close()
	if h1 := p.unpack(&archive.Reader, m.path+"@"+m.version+"/"); h1 != m.h1 {
		p.t.Fatalf("%s@%s is not what it was: its %s, not %s", m.path, m.version, h1, m.h1)
	}
	if _, err := os.Stat(filepath.Join(p.directory, "go.mod")); err != nil {
		p.write("go.mod", "module "+m.path+"\n") // as the go command takes a module without one
	}
}

// unpack writes a module's files and answers its h1 (golang.org/x/mod/sumdb/dirhash.Hash1).
func (p *project) unpack(archive *zip.Reader, prefix string) string {
	p.t.Helper()
	var lines []string
	for _, file := range archive.File {
		reader, err := file.Open()
		if err != nil {
			p.t.Fatal(err)
		}
		data, err := io.ReadAll(reader)
		if err != nil {
			p.t.Fatal(err)
		}
		reader.Close()
		name := strings.TrimPrefix(file.Name, prefix)
		if !filepath.IsLocal(name) {
			p.t.Fatalf("the module has a file called %s", file.Name)
		}
		p.write(name, string(data))
		lines = append(lines, fmt.Sprintf("%s\x00%x", file.Name, sha256.Sum256(data)))
	}
	slices.Sort(lines)
	var summary bytes.Buffer
	for _, line := range lines {
		name, sum, _ := strings.Cut(line, "\x00")
		fmt.Fprintf(&summary, "%s  %s\n", sum, name)
	}
	hash := sha256.Sum256(summary.Bytes())
	return "h1:" + base64.StdEncoding.EncodeToString(hash[:])
}
