package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/cocoom/cocoom-gateway/configs"
	"github.com/cocoom/cocoom-gateway/internal/admin"
)

// wholeStop is how long a stop may take: requests under way, then calls to Slack.
const wholeStop = drainTime + 25*time.Second

const unitFile = "docs/running/cocoom-gateway.service"

// TestSystemdUnit: systemd understands the unit, and finds it well closed.
func TestSystemdUnit(t *testing.T) {
	analyze := need(t, "systemd-analyze")
	unit, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cocoom-gateway.service")
	if err := os.WriteFile(file, bytes.ReplaceAll(unit, []byte("/usr/local/bin/cocoom-gateway"), []byte(self)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify", "--man=no", file}, {"security", "--no-pager", "--offline=true", "--threshold=15", file}} {
		said, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput()
		if err != nil || args[0] == "verify" && len(said) > 0 {
			t.Errorf("systemd-analyze %s: %v: %s", args[0], err, said)
		}
	}
	takes(t, strings.Fields(regexp.MustCompile(`(?m)^ExecStart=\S+ (.*)$`).FindStringSubmatch(string(unit))[1]), "serve")
	if limit := seconds(t, regexp.MustCompile(`TimeoutStopSec=(\d+)`).FindStringSubmatch(string(unit))[1]+"s"); limit < wholeStop {
		t.Errorf("systemd kills after %s, a stop may take %s", limit, wholeStop)
	}
}

// TestSystemdUnitLetsItRun: what the gateway asks of the kernel, from its start on a new
// state through a request to its stop, is what the unit allows.
func TestSystemdUnitLetsItRun(t *testing.T) {
	strace, analyze := need(t, "strace"), need(t, "systemd-analyze")
	o, dir := newOffice(t, t.TempDir()), t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// testscript's TestMain runs the program where it is called by its name.
	program := filepath.Join(dir, "cocoom-gateway")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	o.config = strings.Replace(o.config, "admin: 127.0.0.1:0", "admin: "+loopback(port), 1)
	trace := filepath.Join(dir, "trace")
	cmd := exec.Command(strace, "-f", "-qq", "-o", trace, program, "serve", "-c", o.file("0"))
	cmd.Env = append(os.Environ(), "TESTSCRIPT_COMMAND=cocoom-gateway")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(30 * time.Second); ; {
		if resp, err := http.Get("http://" + loopback(port) + "/readyz"); err == nil {
			resp.Body.Close()
			break
		} else if time.Now().After(until) {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Millisecond) // another process's start has no event to wait for
	}
	// strace hands what ends it on to none; its child is told itself.
	children, err := os.ReadFile("/proc/" + strconv.Itoa(cmd.Process.Pid) + "/task/" + strconv.Itoa(cmd.Process.Pid) + "/children")
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("kill", "-TERM", strings.TrimSpace(string(children))).Run(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopped with %v", err)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	allowed, denied := filter(t, analyze, "@system-service"), append(filter(t, analyze, "@privileged"), filter(t, analyze, "@resources")...)
	asked := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\d+ +([a-z0-9_]+)\(`).FindAllSubmatch(text, -1) {
		asked[string(m[1])] = true
	}
	if len(asked) < 20 {
		t.Fatalf("only %d kinds of calls were seen", len(asked))
	}
	// Go looks at, and raises, the limit of open files, and goes on without; a process that is not root is not asked to chown.
	tolerated := []string{"prlimit64", "setrlimit", "fchown", "chown", "sched_setaffinity"}
	for name := range asked {
		if !slices.Contains(tolerated, name) && (!slices.Contains(allowed, name) || slices.Contains(denied, name)) {
			t.Errorf("the unit does not allow %s", name)
		}
	}
	if m := regexp.MustCompile(`(?m)^.*PROT_WRITE\|PROT_EXEC.*$`).Find(text); m != nil {
		t.Errorf("memory that is written and run, which MemoryDenyWriteExecute refuses: %s", m)
	}
}

// filter gives the system calls of a set of systemd's, and of the sets in it.
func filter(t *testing.T, analyze, set string) (calls []string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), analyze, "--no-pager", "syscall-filter", set).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(regexp.MustCompile(`(?m)^\S.*$|#.*$`).ReplaceAllString(string(out), "")) {
		if strings.HasPrefix(word, "@") {
			calls = append(calls, filter(t, analyze, word)...)
		} else {
			calls = append(calls, word)
		}
	}
	return calls
}

// takes fails unless args are a command line of the program's for that command.
func takes(t *testing.T, args []string, command string) {
	t.Helper()
	cmd, rest, err := rootCommand(os.Getenv, nil).Find(args)
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err != nil || cmd.Name() != command {
		t.Errorf("%q is no command line for %s: %v", args, command, err)
	}
}

func seconds(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Error(err)
	}
	return d
}

// at gives what stands at a path of keys and indexes; it must be there.
func at[T any](t *testing.T, v any, path ...any) (out T) {
	t.Helper()
	for i, step := range path {
		var ok bool
		switch step := step.(type) {
		case string:
			m, isMap := v.(map[string]any)
			v, ok = m[step]
			ok = ok && isMap
		case int:
			list, isList := v.([]any)
			if ok = isList && step < len(list); ok {
				v = list[step]
			}
		}
		if !ok {
			t.Fatalf("nothing at %v", path[:i+1])
		}
	}
	out, ok := v.(T)
	if !ok {
		t.Fatalf("at %v is %T", path, v)
	}
	return out
}

// documents reads a YAML file.
func documents(t *testing.T, file string) (docs []map[string]any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
		doc := map[string]any{}
		switch err := dec.Decode(&doc); {
		case errors.Is(err, io.EOF):
			return docs
		case err != nil:
			t.Fatalf("%s: %v", file, err)
		}
		docs = append(docs, doc)
	}
}

// loadMounted loads a configuration as it would be in a container that has secrets, by
// their names, at a path; all must be there, and each be needed.
func loadMounted(t *testing.T, config, path string, secrets map[string]string) *configs.Config {
	t.Helper()
	dir := t.TempDir()
	for name, value := range secrets {
		if !strings.Contains(config, "file:"+path+"/"+name) {
			t.Errorf("the configuration does not use the secret %s", name)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "gateway.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(config, "file:"+path+"/", "file:"+dir+"/")), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := configs.Load(file, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func listensOn(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// TestCompose: what the file says of the gateway is so.
func TestCompose(t *testing.T) {
	doc := documents(t, "docs/running/compose.yaml")[0]
	gw := at[map[string]any](t, doc, "services", "gateway")
	config, err := os.ReadFile("docs/running/gateway.yaml")
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{}
	for _, name := range at[[]any](t, gw, "secrets") {
		at[string](t, doc, "secrets", name, "file")
		secrets[name.(string)] = "a-secret-of-some-length"
	}
	secrets["state"], secrets["master_key"] = "postgres://gateway:x@postgres/gateway?sslmode=disable", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	cfg := loadMounted(t, string(config), "/run/secrets", secrets)
	if want := at[string](t, gw, "ports", 0); want != "8080:"+listensOn(t, cfg.Listen) {
		t.Errorf("published is %s, it listens on %s", want, cfg.Listen)
	}
	dockerfile, err := os.ReadFile("Dockerfile")
	target := at[string](t, gw, "configs", 0, "target")
	if err != nil || !strings.Contains(string(dockerfile), `CMD ["serve", "-c", "`+target+`"]`) || at[string](t, doc, "configs", "gateway", "file") != "./gateway.yaml" {
		t.Errorf("the image does not look for its configuration at %s (%v)", target, err)
	}
	var health []string
	for _, word := range at[[]any](t, gw, "healthcheck", "test")[2:] {
		health = append(health, word.(string))
	}
	takes(t, health, "health")
	if limit := seconds(t, at[string](t, gw, "stop_grace_period")); limit < wholeStop {
		t.Errorf("Docker kills after %s, a stop may take %s", limit, wholeStop)
	}
	if !at[bool](t, gw, "read_only") || at[string](t, gw, "security_opt", 0) != "no-new-privileges:true" {
		t.Error("the container is open")
	}
}

// TestKubernetes: the objects fit one another and the program.
func TestKubernetes(t *testing.T) {
	objects := map[string]map[string]any{}
	for _, doc := range documents(t, "docs/running/kubernetes.yaml") {
		objects[at[string](t, doc, "kind")+"/"+at[string](t, doc, "metadata", "name")] = doc
	}
	secrets := map[string]string{}
	for name, value := range at[map[string]any](t, objects["Secret/gateway"], "stringData") {
		secrets[name] = value.(string)
	}
	pod := at[map[string]any](t, objects["Deployment/gateway"], "spec", "template", "spec")
	container := at[map[string]any](t, pod, "containers", 0)
	mounts := at[[]any](t, container, "volumeMounts")
	for i, name := range []string{"configuration", "secrets"} {
		if at[string](t, mounts, i, "name") != name || at[string](t, pod, "volumes", i, "name") != name {
			t.Errorf("mount and volume %d are not of the %s", i, name)
		}
	}
	cfg := loadMounted(t, at[string](t, objects["ConfigMap/gateway"], "data", "gateway.yaml"), at[string](t, mounts, 1, "mountPath"), secrets)

	var args []string
	for _, word := range at[[]any](t, container, "args") {
		args = append(args, word.(string))
	}
	takes(t, args, "serve")
	if want := at[string](t, mounts, 0, "mountPath") + "/gateway.yaml"; args[len(args)-1] != want {
		t.Errorf("it reads %s, mounted is %s", args[len(args)-1], want)
	}

	ports := map[string]string{}
	for i := range at[[]any](t, container, "ports") {
		ports[at[string](t, container, "ports", i, "name")] = strconv.Itoa(int(at[uint64](t, container, "ports", i, "containerPort")))
	}
	if ports["public"] != listensOn(t, cfg.Listen) || ports["private"] != listensOn(t, cfg.Private) {
		t.Errorf("ports are %v, it listens on %s and %s", ports, cfg.Listen, cfg.Private)
	}
	for object, port := range map[string]string{"Service/gateway": "public", "Service/gateway-private": "private"} {
		if got := at[string](t, objects[object], "spec", "ports", 0, "targetPort"); got != port {
			t.Errorf("%s leads to %s", object, got)
		}
	}
	for _, probe := range []string{"startupProbe", "livenessProbe", "readinessProbe"} {
		get := at[map[string]any](t, container, probe, "httpGet")
		rec := httptest.NewRecorder()
		admin.Probes(nil).ServeHTTP(rec, httptest.NewRequest("GET", at[string](t, get, "path"), nil))
		if rec.Code != 200 || at[string](t, get, "port") != "private" {
			t.Errorf("the %s is answered %d", probe, rec.Code)
		}
	}
	backend := at[map[string]any](t, objects["Ingress/gateway"], "spec", "rules", 0, "http", "paths", 0, "backend", "service")
	if at[string](t, backend, "name") != "gateway" || at[string](t, backend, "port", "name") != "public" || at[string](t, objects["Ingress/gateway"], "spec", "rules", 0, "host") != cfg.Routes[0].Host {
		t.Errorf("the ingress leads to %v", backend)
	}
	for _, object := range []string{"Service/gateway", "Service/gateway-private"} {
		if at[string](t, objects[object], "spec", "selector", "app") != at[string](t, objects["Deployment/gateway"], "spec", "template", "metadata", "labels", "app") {
			t.Errorf("%s selects nothing", object)
		}
	}
	grace, pause := at[uint64](t, pod, "terminationGracePeriodSeconds"), at[uint64](t, container, "lifecycle", "preStop", "sleep", "seconds")
	if time.Duration(grace-pause)*time.Second < wholeStop {
		t.Errorf("killed %d s after %d s, a stop may take %s", grace, pause, wholeStop)
	}
	if at[uint64](t, objects["Deployment/gateway"], "spec", "replicas") < 2 || objects["PodDisruptionBudget/gateway"] == nil || objects["NetworkPolicy/gateway"] == nil {
		t.Error("not made for more than one")
	}
}
