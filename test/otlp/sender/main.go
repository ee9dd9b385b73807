// SPDX-License-Identifier: Apache-2.0
// Sends one OTLP profiles request as the OpenTelemetry Collector's own library writes it.
//
//	sender -to 127.0.0.1:4040 -by grpc|http|json [-gzip] [-name suffix] [-start unix-ms] [-repeat n]
//
// Prints {"rejected": n, "message": "..."} or {"error": "...", "code": "..."}. What it sends is in request(): the test
// that runs it knows the numbers.
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pprofile"
	"go.opentelemetry.io/collector/pdata/pprofile/pprofileotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	grpcgzip "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

type builder struct {
	dictionary pprofile.ProfilesDictionary
}

func (b builder) text(text string) int32 {
	return must(pprofile.SetString(b.dictionary.StringTable(), text))
}

func (b builder) function(name, file string) int32 {
	function := pprofile.NewFunction()
	function.SetNameStrindex(b.text(name))
	function.SetFilenameStrindex(b.text(file))
	return must(pprofile.SetFunction(b.dictionary.FunctionTable(), function))
}

func (b builder) attribute(key string, value any) int32 {
	attribute := pprofile.NewKeyValueAndUnit()
	attribute.SetKeyStrindex(b.text(key))
	if err := attribute.Value().FromRaw(value); err != nil {
		panic(err)
	}
	table := b.dictionary.AttributeTable()
	for at := range table.Len() {
		if table.At(at).Equal(attribute) {
			return int32(at)
		}
	}
	attribute.MoveTo(table.AppendEmpty())
	return int32(table.Len() - 1)
}

func (b builder) mapping(start, limit, offset uint64, file string, attributes map[string]any) int32 {
	mapping := pprofile.NewMapping()
	mapping.SetMemoryStart(start)
	mapping.SetMemoryLimit(limit)
	mapping.SetFileOffset(offset)
	mapping.SetFilenameStrindex(b.text(file))
	for key, value := range attributes {
		mapping.AttributeIndices().Append(b.attribute(key, value))
	}
	return must(pprofile.SetMapping(b.dictionary.MappingTable(), mapping))
}

// Lines are functions with a line number each, innermost inlined first.
func (b builder) location(mapping int32, address uint64, frameType string, lines ...any) int32 {
	location := pprofile.NewLocation()
	location.SetMappingIndex(mapping)
	location.SetAddress(address)
	for at := 0; at < len(lines); at += 2 {
		line := location.Lines().AppendEmpty()
		line.SetFunctionIndex(b.function(lines[at].(string), "app.c"))
		line.SetLine(int64(lines[at+1].(int)))
	}
	location.AttributeIndices().Append(b.attribute("profile.frame.type", frameType))
	return must(pprofile.SetLocation(b.dictionary.LocationTable(), location))
}

func (b builder) stack(locations ...int32) int32 {
	stack := pprofile.NewStack()
	stack.LocationIndices().FromRaw(locations)
	return must(pprofile.SetStack(b.dictionary.StackTable(), stack))
}

func (b builder) link(trace, span byte) int32 {
	link := pprofile.NewLink()
	link.SetTraceID(pcommon.TraceID{trace, 0xaa, 15: trace})
	link.SetSpanID(pcommon.SpanID{span, 0xbb, 7: span})
	return must(pprofile.SetLink(b.dictionary.LinkTable(), link))
}

func (b builder) valueType(to pprofile.ValueType, kind, unit string) {
	to.SetTypeStrindex(b.text(kind))
	to.SetUnitStrindex(b.text(unit))
}

func (b builder) profile(scope pprofile.ScopeProfiles, start time.Time, kind, unit string) pprofile.Profile {
	profile := scope.Profiles().AppendEmpty()
	profile.SetTime(pcommon.NewTimestampFromTime(start))
	profile.SetDurationNano(uint64(5 * time.Second))
	b.valueType(profile.SampleType(), kind, unit)
	return profile
}

func sample(profile pprofile.Profile, stack int32, values []int64, times int, attributes ...int32) pprofile.Sample {
	sample := profile.Samples().AppendEmpty()
	sample.SetStackIndex(stack)
	sample.Values().FromRaw(values)
	for at := range times {
		sample.TimestampsUnixNano().Append(uint64(profile.Time()) + uint64(at)*1e6)
	}
	sample.AttributeIndices().FromRaw(attributes)
	return sample
}

func request(name string, start time.Time, repeat int) pprofile.Profiles {
	profiles := pprofile.NewProfiles()
	b := builder{profiles.Dictionary()}
	b.text("")
	b.dictionary.MappingTable().AppendEmpty()
	b.dictionary.LocationTable().AppendEmpty()
	b.dictionary.FunctionTable().AppendEmpty()
	b.dictionary.LinkTable().AppendEmpty()
	b.dictionary.AttributeTable().AppendEmpty()
	b.dictionary.StackTable().AppendEmpty()

	app := b.mapping(0x401000, 0x480000, 0x1000, "/usr/bin/app", map[string]any{
		"process.executable.build_id.gnu":     "00112233445566778899aabbccddeeff00112233",
		"process.executable.build_id.htlhash": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	})
	library := b.mapping(0x7f0000001000, 0x7f0000100000, 0x2000, "/lib/libx.so.1", map[string]any{
		"process.executable.build_id.htlhash": "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
	})
	kernel := b.mapping(0, 0, 0, "vmlinux", nil)
	mainAt := b.location(app, 0x402000, "native", "main", 10)
	work := b.location(app, 0x403000, "native", "inlined", 31, "work", 30)
	unnamed := b.location(app, 0x404567, "native")
	elsewhere := b.location(library, 0x7f0000001234, "native")
	syscall := b.location(kernel, 0xffffffff81000010, "kernel", "do_syscall_64", 0)
	nowhere := b.location(0, 0x1234, "native")

	inWork := b.stack(work, mainAt)
	inKernel := b.stack(syscall, unnamed, mainAt)
	inLibrary := b.stack(elsewhere, nowhere, mainAt)
	thread := []int32{b.attribute("thread.name", "worker"), b.attribute("thread.id", int64(4321))}

	// Two processes of one service, as a profiler of a whole host has them.
	for pid := int64(100); pid <= 101; pid++ {
		resource := profiles.ResourceProfiles().AppendEmpty()
		attributes := resource.Resource().Attributes()
		attributes.PutStr("service.name", "shop-"+name)
		attributes.PutStr("service.version", "1.2.3")
		attributes.PutStr("host.name", "node-1")
		attributes.PutStr("k8s.namespace.name", "prod")
		attributes.PutStr("k8s.pod.name", "shop-0")
		attributes.PutInt("process.pid", pid)
		attributes.PutStr("process.executable.name", "app")
		attributes.PutEmptySlice("process.command_args").AppendEmpty().SetStr("app")
		scope := resource.ScopeProfiles().AppendEmpty()
		scope.Scope().SetName("profiler")
		scope.Scope().Attributes().PutStr("scope.label", "yes")

		cpu := b.profile(scope, start, "samples", "count")
		b.valueType(cpu.PeriodType(), "cpu", "nanoseconds")
		cpu.SetPeriod(10_000_000)
		cpu.AttributeIndices().Append(b.attribute("profile.label", true))
		for range repeat {
			sample(cpu, inWork, nil, 3, thread...)
		}
		sample(cpu, inKernel, nil, 2).SetLinkIndex(b.link(1, 2))
		sample(cpu, inLibrary, []int64{1, 1, 2}, 3)

		off := b.profile(scope, start, "off_cpu", "nanoseconds")
		sample(off, inKernel, []int64{1000, 2500}, 2)
	}

	// No service.name: named by the program. One sample is of a service of its own.
	other := profiles.ResourceProfiles().AppendEmpty()
	other.Resource().Attributes().PutStr("process.executable.name", "tool-"+name)
	scope := other.ScopeProfiles().AppendEmpty()
	heap := b.profile(scope, start, "alloc_space", "bytes")
	sample(heap, inWork, []int64{4096}, 0)
	sample(heap, inWork, []int64{1024}, 0, b.attribute("service.name", "inner-"+name))

	profiles.ResourceProfiles().AppendEmpty()
	return profiles
}

type answer struct {
	Rejected int64  `json:"rejected"`
	Message  string `json:"message"`
	Error    string `json:"error,omitempty"`
	Code     string `json:"code,omitempty"`
}

func of(partial pprofileotlp.ExportPartialSuccess) answer {
	return answer{Rejected: partial.RejectedProfiles(), Message: partial.ErrorMessage()}
}

func byGrpc(to string, request pprofileotlp.ExportRequest, compress bool) answer {
	connection := must(grpc.NewClient(to, grpc.WithTransportCredentials(insecure.NewCredentials())))
	defer connection.Close()
	var options []grpc.CallOption
	if compress {
		options = append(options, grpc.UseCompressor(grpcgzip.Name))
	}
	response, err := pprofileotlp.NewGRPCClient(connection).Export(context.Background(), request, options...)
	if err != nil {
		told, _ := status.FromError(err)
		return answer{Error: told.Message(), Code: told.Code().String()}
	}
	return of(response.PartialSuccess())
}

func byHTTP(to string, request pprofileotlp.ExportRequest, asJSON, compress bool) answer {
	kind, body := "application/x-protobuf", must(request.MarshalProto())
	if asJSON {
		kind, body = "application/json", must(request.MarshalJSON())
	}
	if compress {
		var packed bytes.Buffer
		writer := gzip.NewWriter(&packed)
		must(writer.Write(body))
		writer.Close()
		body = packed.Bytes()
	}
	post := must(http.NewRequest("POST", "http://"+to+"/v1development/profiles", bytes.NewReader(body)))
	post.Header.Set("Content-Type", kind)
	if compress {
		post.Header.Set("Content-Encoding", "gzip")
	}
	got := must(http.DefaultClient.Do(post))
	defer got.Body.Close()
	text := must(io.ReadAll(got.Body))
	if got.StatusCode != 200 {
		return answer{Error: string(text), Code: fmt.Sprint(got.StatusCode)}
	}
	if got.Header.Get("Content-Type") != kind {
		return answer{Error: "answered as " + got.Header.Get("Content-Type")}
	}
	response := pprofileotlp.NewExportResponse()
	read := response.UnmarshalProto
	if asJSON {
		read = response.UnmarshalJSON
	}
	if err := read(text); err != nil {
		return answer{Error: err.Error()}
	}
	return of(response.PartialSuccess())
}

func main() {
	to := flag.String("to", "", "host:port")
	by := flag.String("by", "grpc", "grpc, http or json")
	compress := flag.Bool("gzip", false, "compress the request")
	name := flag.String("name", "x", "part of the services' names")
	start := flag.Int64("start", time.Now().UnixMilli(), "Unix milliseconds")
	repeat := flag.Int("repeat", 1, "of the first sample")
	flag.Parse()
	export := pprofileotlp.NewExportRequestFromProfiles(request(*name, time.UnixMilli(*start), *repeat))
	var result answer
	if *by == "grpc" {
		result = byGrpc(*to, export, *compress)
	} else {
		result = byHTTP(*to, export, *by == "json", *compress)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		panic(err)
	}
}
