// SPDX-License-Identifier: Apache-2.0
// Load and latency, the same for every server that takes what Pyroscope's clients send; prints one JSON object.
//
//	loadgen push  -url http://127.0.0.1:4040 -api ingest|ingest-mp|push -n 2000 -c 8 [-pid P] [-data DIR]
//	loadgen query -url ... -kind smst|smp|diff|flamegraph|pprof|sw-diff|... -n 20 -c 1 -from ms -until ms -q '{service_name="svc-0"}'
//
// Bodies are real Go CPU profiles (../profiles): each a random part of the samples of one of them, with values of its own.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/pprof/profile"
)

func die(f string, a ...any) { fmt.Fprintf(os.Stderr, f+"\n", a...); os.Exit(1) }

// ---------- process/disk accounting ----------
func cpuSec(pid int) float64 {
	if pid == 0 {
		return 0
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	s := string(b)
	f := strings.Fields(s[strings.LastIndex(s, ")")+2:])
	u, _ := strconv.ParseFloat(f[11], 64)
	k, _ := strconv.ParseFloat(f[12], 64)
	return (u + k) / 100
}
func rssMB(pid int) (cur, hwm float64) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for _, l := range strings.Split(string(b), "\n") {
		f := strings.Fields(l)
		if len(f) < 2 {
			continue
		}
		v, _ := strconv.ParseFloat(f[1], 64)
		if f[0] == "VmRSS:" {
			cur = v / 1024
		}
		if f[0] == "VmHWM:" {
			hwm = v / 1024
		}
	}
	return
}
func du(dir string) int64 {
	var n int64
	if dir == "" {
		return 0
	}
	filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if i, e := d.Info(); e == nil {
				n += i.Size()
			}
		}
		return nil
	})
	return n
}

// ---------- bodies ----------
var bases []*profile.Profile

func loadBases(dir, only string) {
	m, _ := filepath.Glob(filepath.Join(dir, "*.pb.gz"))
	sort.Strings(m)
	for _, f := range m {
		if only != "" {
			ok := false
			for _, o := range strings.Split(only, ",") {
				if strings.Contains(f, o) {
					ok = true
				}
			}
			if !ok {
				continue
			}
		}
		fh, err := os.Open(f)
		if err != nil {
			die("%v", err)
		}
		p, err := profile.Parse(fh)
		fh.Close()
		if err != nil {
			die("%s: %v", f, err)
		}
		bases = append(bases, p)
	}
	if len(bases) == 0 {
		die("no profiles in %s", dir)
	}
}

// makeBody: base profile with a random ~keep subset of samples, jittered values, own timestamp; gzipped pprof.
func makeBody(r *rand.Rand, i int, ts time.Time, keep float64, level int) []byte {
	b := bases[i%len(bases)]
	q := &profile.Profile{SampleType: b.SampleType, PeriodType: b.PeriodType, Period: b.Period, Mapping: b.Mapping,
		DurationNanos: 10e9, TimeNanos: ts.UnixNano(), DefaultSampleType: b.DefaultSampleType}
	locs := map[uint64]bool{}
	fns := map[uint64]bool{}
	for _, s := range b.Sample {
		if keep < 1 && r.Float64() > keep {
			continue
		}
		v := make([]int64, len(s.Value))
		k := int64(1 + r.Intn(3))
		for j := range v {
			v[j] = s.Value[j] * k
		}
		q.Sample = append(q.Sample, &profile.Sample{Location: s.Location, Value: v, Label: s.Label, NumLabel: s.NumLabel, NumUnit: s.NumUnit})
		for _, l := range s.Location {
			if !locs[l.ID] {
				locs[l.ID] = true
				for _, ln := range l.Line {
					if ln.Function != nil {
						fns[ln.Function.ID] = true
					}
				}
			}
		}
	}
	for _, l := range b.Location {
		if locs[l.ID] {
			q.Location = append(q.Location, l)
		}
	}
	for _, f := range b.Function {
		if fns[f.ID] {
			q.Function = append(q.Function, f)
		}
	}
	var raw bytes.Buffer
	mu.Lock() // profile encoding mutates shared ids
	err := q.WriteUncompressed(&raw)
	mu.Unlock()
	if err != nil {
		die("%v", err)
	}
	var z bytes.Buffer
	w, _ := gzip.NewWriterLevel(&z, level)
	w.Write(raw.Bytes())
	w.Close()
	rawBytes.Add(int64(raw.Len()))
	return z.Bytes()
}

var mu sync.Mutex
var rawBytes atomic.Int64

// ---------- tiny protobuf ----------
func vint(b []byte, x uint64) []byte {
	for x >= 0x80 {
		b = append(b, byte(x)|0x80)
		x >>= 7
	}
	return append(b, byte(x))
}
func fld(b []byte, n int, d []byte) []byte {
	b = vint(b, uint64(n<<3|2))
	b = vint(b, uint64(len(d)))
	return append(b, d...)
}
func fint(b []byte, n int, v uint64) []byte { b = vint(b, uint64(n<<3)); return vint(b, v) }
func lp(k, v string) []byte                 { return fld(fld(nil, 1, []byte(k)), 2, []byte(v)) }
func uuid(r *rand.Rand) string {
	b := make([]byte, 16)
	r.Read(b)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

type item struct {
	body []byte
	ts   time.Time
	svc  int
	pod  int
}

func pct(d []float64, p float64) float64 {
	if len(d) == 0 {
		return 0
	}
	i := int(p * float64(len(d)-1))
	return d[i]
}

func client(c int) *http.Client {
	return &http.Client{Timeout: 120 * time.Second, Transport: &http.Transport{MaxIdleConns: c * 2, MaxIdleConnsPerHost: c * 2, MaxConnsPerHost: c, DisableCompression: false}}
}

func push(args []string) {
	f := flag.NewFlagSet("push", flag.ExitOnError)
	u := f.String("url", "http://127.0.0.1:4040", "")
	api := f.String("api", "push", "ingest | ingest-mp (multipart, as agents do) | push (connect proto) | push-json")
	n := f.Int("n", 2000, "profiles")
	c := f.Int("c", 8, "connections")
	dir := f.String("profiles", "profiles", "folder of .pb.gz bodies")
	only := f.String("only", "net_http,go_types,types2,link_internal_ld,internal_ssa", "substrings of base profiles to use")
	keep := f.Float64("keep", 0.8, "fraction of samples kept per body")
	svcs := f.Int("services", 20, "")
	pods := f.Int("pods", 5, "pods per service")
	spread := f.Duration("spread", 30*time.Minute, "timestamps spread over this long before -end")
	endms := f.Int64("end", 0, "end of spread, ms epoch; 0=now")
	pid := f.Int("pid", 0, "server pid for CPU/RSS")
	data := f.String("data", "", "server data dir for disk bytes")
	level := f.Int("gz", 6, "gzip level")
	tenant := f.String("tenant", "", "X-Scope-OrgID")
	settle := f.Duration("settle", 0, "wait after push before final CPU/disk reading (background flush/compaction)")
	unique := f.Int("unique", 0, "pregenerate this many bodies and reuse them (0 = n)")
	tag := f.String("tag", "", "extra label run=TAG")
	f.Parse(args)
	if !strings.HasPrefix(*u, "http://127.") && !strings.HasPrefix(*u, "http://localhost") {
		die("loopback only")
	}
	loadBases(*dir, *only)
	end := time.Now()
	if *endms > 0 {
		end = time.UnixMilli(*endms)
	}
	r := rand.New(rand.NewSource(1))
	nu := *n
	if *unique > 0 && *unique < nu {
		nu = *unique
	}
	items := make([]item, *n)
	var wire int64
	bodies := make([][]byte, nu)
	t0 := time.Now()
	for i := range items {
		ts := end.Add(-*spread + time.Duration(float64(*spread)*float64(i)/float64(*n)))
		if i < nu {
			bodies[i] = makeBody(r, i, ts, *keep, *level)
		}
		b := bodies[i%nu]
		if i >= nu { // same content, new timestamp: append a gzip member holding only time_nanos (last one wins)
			var z bytes.Buffer
			w, _ := gzip.NewWriterLevel(&z, gzip.NoCompression)
			w.Write(fint(nil, 9, uint64(ts.UnixNano())))
			w.Close()
			b = append(append(make([]byte, 0, len(b)+z.Len()), b...), z.Bytes()...)
		}
		items[i] = item{b, ts, i % *svcs, (i / *svcs) % *pods}
		wire += int64(len(items[i].body))
	}
	gen := time.Since(t0)
	cl := client(*c)
	cpu0, du0 := cpuSec(*pid), du(*data)
	lat := make([]float64, *n)
	var idx, errs, sent atomic.Int64
	var firstErr atomic.Value
	start := time.Now()
	var wg sync.WaitGroup
	for w := 0; w < *c; w++ {
		wg.Add(1)
		go func(w int) {
			defer wg.Done()
			rr := rand.New(rand.NewSource(time.Now().UnixNano() + int64(w)))
			for {
				i := int(idx.Add(1) - 1)
				if i >= *n {
					return
				}
				it := items[i]
				svc, pod := fmt.Sprintf("svc-%d", it.svc), fmt.Sprintf("pod-%d-%d", it.svc, it.pod)
				var req *http.Request
				switch *api {
				case "ingest", "ingest-mp":
					name := svc + "{pod=" + pod + ",env=prod,region=eu-" + strconv.Itoa(it.pod%2)
					if *tag != "" {
						name += ",run=" + *tag
					}
					name += "}"
					q := url.Values{"name": {name}, "from": {strconv.FormatInt(it.ts.Unix(), 10)}, "until": {strconv.FormatInt(it.ts.Unix()+10, 10)},
						"spyName": {"gospy"}, "sampleRate": {"100"}}
					body, ct := it.body, "application/octet-stream"
					if *api == "ingest" {
						q.Set("format", "pprof")
					} else {
						var mb bytes.Buffer
						mw := multipart.NewWriter(&mb)
						fw, _ := mw.CreateFormFile("profile", "profile.pprof")
						fw.Write(it.body)
						mw.Close()
						body, ct = mb.Bytes(), mw.FormDataContentType()
					}
					req, _ = http.NewRequest("POST", *u+"/ingest?"+q.Encode(), bytes.NewReader(body))
					req.Header.Set("Content-Type", ct)
				case "push":
					var s []byte
					for _, kv := range [][2]string{{"__name__", "process_cpu"}, {"env", "prod"}, {"pod", pod}, {"region", "eu-" + strconv.Itoa(it.pod%2)}, {"service_name", svc}} {
						s = fld(s, 1, lp(kv[0], kv[1]))
					}
					if *tag != "" {
						s = fld(s, 1, lp("run", *tag))
					}
					s = fld(s, 2, fld(fld(nil, 1, it.body), 2, []byte(uuid(rr))))
					req, _ = http.NewRequest("POST", *u+"/push.v1.PusherService/Push", bytes.NewReader(fld(nil, 1, s)))
					req.Header.Set("Content-Type", "application/proto")
					req.Header.Set("Connect-Protocol-Version", "1")
				case "push-json":
					m := map[string]any{"series": []any{map[string]any{"labels": []any{
						map[string]string{"name": "__name__", "value": "process_cpu"}, map[string]string{"name": "pod", "value": pod}, map[string]string{"name": "service_name", "value": svc}},
						"samples": []any{map[string]any{"rawProfile": base64.StdEncoding.EncodeToString(it.body), "ID": uuid(rr)}}}}}
					b, _ := json.Marshal(m)
					req, _ = http.NewRequest("POST", *u+"/push.v1.PusherService/Push", bytes.NewReader(b))
					req.Header.Set("Content-Type", "application/json")
				default:
					die("api?")
				}
				if *tenant != "" {
					req.Header.Set("X-Scope-OrgID", *tenant)
				}
				s := time.Now()
				resp, err := cl.Do(req)
				if err == nil {
					b, _ := io.ReadAll(resp.Body)
					resp.Body.Close()
					if resp.StatusCode/100 != 2 {
						err = fmt.Errorf("%d %s", resp.StatusCode, string(b[:min(len(b), 300)]))
					}
				}
				lat[i] = float64(time.Since(s).Microseconds()) / 1000
				if err != nil {
					errs.Add(1)
					firstErr.CompareAndSwap(nil, err.Error())
				} else {
					sent.Add(1)
				}
			}
		}(w)
	}
	wg.Wait()
	el := time.Since(start).Seconds()
	cpu1 := cpuSec(*pid)
	sort.Float64s(lat)
	cur, hwm := rssMB(*pid)
	out := map[string]any{"api": *api, "n": *n, "c": *c, "ok": sent.Load(), "errors": errs.Load(), "secs": r3(el), "per_s": r3(float64(sent.Load()) / el),
		"wire_KB_avg": r3(float64(wire) / float64(*n) / 1024), "raw_KB_avg": r3(float64(rawBytes.Load()) / float64(nu) / 1024), "gen_s": r3(gen.Seconds()),
		"p50_ms": pct(lat, .5), "p95_ms": pct(lat, .95), "p99_ms": pct(lat, .99), "srv_cpu_ms_per_profile": r3((cpu1 - cpu0) * 1000 / float64(*n)),
		"srv_cpu_cores": r3((cpu1 - cpu0) / el), "rss_MB": r3(cur), "rss_peak_MB": r3(hwm)}
	if e := firstErr.Load(); e != nil {
		out["first_error"] = e
	}
	if *settle > 0 {
		time.Sleep(*settle)
		cpu2 := cpuSec(*pid)
		out["settled_cpu_ms_per_profile"] = r3((cpu2 - cpu0) * 1000 / float64(*n))
		cur, _ = rssMB(*pid)
		out["rss_settled_MB"] = r3(cur)
	}
	if *data != "" {
		out["disk_bytes_per_profile"] = r3(float64(du(*data)-du0) / float64(*n))
		out["disk_total_MB"] = r3(float64(du(*data)) / 1e6)
	}
	j, _ := json.Marshal(out)
	fmt.Println(string(j))
}
func r3(x float64) float64 {
	v, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', 5, 64), 64)
	return v
}

func query(args []string) {
	f := flag.NewFlagSet("query", flag.ExitOnError)
	u := f.String("url", "http://127.0.0.1:4040", "")
	kind := f.String("kind", "smst", "")
	n := f.Int("n", 20, "")
	c := f.Int("c", 1, "")
	from := f.Int64("from", 0, "ms (0 = now-1h)")
	until := f.Int64("until", 0, "ms (0 = now)")
	sel := f.String("q", "{}", "label selector")
	pt := f.String("type", "process_cpu:cpu:nanoseconds:cpu:nanoseconds", "profile type id")
	maxn := f.Int64("max-nodes", 0, "0 = server default")
	pid := f.Int("pid", 0, "")
	by := f.String("by", "", "group by (series)")
	tenant := f.String("tenant", "", "")
	dump := f.Bool("dump", false, "print first response body")
	warm := f.Int("warm", 1, "")
	f.Parse(args)
	if !strings.HasPrefix(*u, "http://127.") && !strings.HasPrefix(*u, "http://localhost") {
		die("loopback only")
	}
	if *until == 0 {
		*until = time.Now().UnixMilli()
	}
	if *from == 0 {
		*from = *until - 3600_000
	}
	selReq := func(st, en int64) []byte {
		b := fld(nil, 1, []byte(*pt))
		b = fld(b, 2, []byte(*sel))
		b = fint(b, 3, uint64(st))
		b = fint(b, 4, uint64(en))
		if *maxn > 0 {
			b = fint(b, 5, uint64(*maxn))
		}
		return b
	}
	mk := func() *http.Request {
		var path string
		var body []byte
		inner := strings.Trim(*sel, "{}")
		promq := *pt + "{" + inner + "}"
		fs, us := strconv.FormatInt(*from, 10), strconv.FormatInt(*until, 10)
		ct := "application/proto"
		switch *kind {
		case "render":
			v := url.Values{"query": {promq}, "from": {fs}, "until": {us}, "format": {"json"}}
			if *maxn > 0 {
				v.Set("max-nodes", strconv.FormatInt(*maxn, 10))
			}
			if *by != "" {
				v.Set("groupBy", *by)
			}
			r, _ := http.NewRequest("GET", *u+"/pyroscope/render?"+v.Encode(), nil)
			return r
		case "render-diff":
			mid := strconv.FormatInt((*from+*until)/2, 10)
			v := url.Values{"leftQuery": {promq}, "leftFrom": {fs}, "leftUntil": {mid}, "rightQuery": {promq}, "rightFrom": {mid}, "rightUntil": {us}, "format": {"json"}}
			r, _ := http.NewRequest("GET", *u+"/pyroscope/render-diff?"+v.Encode(), nil)
			return r
		case "flamegraph", "pprof", "sw-diff":
			v := url.Values{"type": {*pt}}
			if *sel != "{}" {
				v.Set("query", *sel)
			}
			if *kind == "sw-diff" {
				mid := strconv.FormatInt((*from+*until)/2, 10)
				for side, w := range map[string][2]string{"left": {fs, mid}, "right": {mid, us}} {
					v.Set(side+"_from", w[0])
					v.Set(side+"_until", w[1])
				}
				// The tree alone: the peer has no statistics.
				v.Set("statistics", "false")
				v.Set("without_rules", "all")
				r, _ := http.NewRequest("GET", *u+"/api/v1/diff?"+v.Encode(), nil)
				return r
			}
			v.Set("from", fs)
			v.Set("until", us)
			r, _ := http.NewRequest("GET", *u+"/api/v1/"+*kind+"?"+v.Encode(), nil)
			return r
		case "smst":
			path, body = "SelectMergeStacktraces", selReq(*from, *until)
		case "smp":
			path, body = "SelectMergeProfile", selReq(*from, *until)
		case "diff":
			mid := (*from + *until) / 2
			path, body = "Diff", fld(fld(nil, 1, selReq(*from, mid)), 2, selReq(mid, *until))
		case "series":
			ct = "application/json"
			m := map[string]any{"profile_typeID": *pt, "label_selector": *sel, "start": *from, "end": *until, "step": max(15, float64(*until-*from)/1000/240)}
			if *by != "" {
				m["group_by"] = []string{*by}
			}
			path = "SelectSeries"
			body, _ = json.Marshal(m)
		case "types":
			path, body = "ProfileTypes", fint(fint(nil, 1, uint64(*from)), 2, uint64(*until))
		case "labels":
			path, body = "LabelNames", fint(fint(fld(nil, 1, []byte(*sel)), 2, uint64(*from)), 3, uint64(*until))
		case "values":
			path, body = "LabelValues", fint(fint(fld(fld(nil, 1, []byte("service_name")), 2, []byte(*sel)), 3, uint64(*from)), 4, uint64(*until))
		case "heatmap":
			ct = "application/json"
			path = "SelectHeatmap"
			body, _ = json.Marshal(map[string]any{"profile_typeID": *pt, "label_selector": *sel, "start": *from, "end": *until, "step": 60, "query_type": 1})
		case "stats":
			ct, path, body = "application/json", "GetProfileStats", []byte("{}")
		default:
			die("kind?")
		}
		r, _ := http.NewRequest("POST", *u+"/querier.v1.QuerierService/"+path, bytes.NewReader(body))
		r.Header.Set("Content-Type", ct)
		r.Header.Set("Connect-Protocol-Version", "1")
		return r
	}
	cl := client(*c)
	var bytesN, errs atomic.Int64
	var fe atomic.Value
	one := func(dmp bool) float64 {
		r := mk()
		if *tenant != "" {
			r.Header.Set("X-Scope-OrgID", *tenant)
		}
		s := time.Now()
		resp, err := cl.Do(r)
		if err != nil {
			errs.Add(1)
			fe.CompareAndSwap(nil, err.Error())
			return 0
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		d := float64(time.Since(s).Microseconds()) / 1000
		bytesN.Store(int64(len(b)))
		if resp.StatusCode != 200 {
			errs.Add(1)
			fe.CompareAndSwap(nil, fmt.Sprintf("%d %s", resp.StatusCode, string(b[:min(len(b), 300)])))
		}
		if dmp {
			fmt.Printf("%v\n%s\n", resp.Header, string(b[:min(len(b), 3000)]))
		}
		return d
	}
	var cold float64
	for i := 0; i < *warm; i++ {
		d := one(*dump && i == 0)
		if i == 0 {
			cold = d
		}
	}
	lat := make([]float64, *n)
	var idx atomic.Int64
	cpu0 := cpuSec(*pid)
	st := time.Now()
	var wg sync.WaitGroup
	for w := 0; w < *c; w++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				i := int(idx.Add(1) - 1)
				if i >= *n {
					return
				}
				lat[i] = one(false)
			}
		}()
	}
	wg.Wait()
	el := time.Since(st).Seconds()
	sort.Float64s(lat)
	cur, hwm := rssMB(*pid)
	out := map[string]any{"kind": *kind, "sel": *sel, "n": *n, "c": *c, "first_ms": cold, "p50_ms": pct(lat, .5), "p95_ms": pct(lat, .95), "max_ms": pct(lat, 1), "resp_KB": r3(float64(bytesN.Load()) / 1024),
		"qps": r3(float64(*n) / el), "srv_cpu_ms": r3((cpuSec(*pid) - cpu0) * 1000 / float64(*n)), "errors": errs.Load(), "rss_MB": r3(cur), "rss_peak_MB": r3(hwm)}
	if e := fe.Load(); e != nil {
		out["first_error"] = e
	}
	j, _ := json.Marshal(out)
	fmt.Println(string(j))
}

func main() {
	if len(os.Args) < 2 {
		die("usage: loadgen push|query [flags]")
	}
	switch os.Args[1] {
	case "push":
		push(os.Args[2:])
	case "query":
		query(os.Args[2:])
	default:
		die("usage: loadgen push|query [flags]")
	}
}
