// SPDX-License-Identifier: Apache-2.0

// Spans burns CPU in OpenTelemetry spans, and pushes profiles that say in which, by Grafana's own client:
//
//	spans URL
//
// Prints "trace span name" of each span, and ends when all is pushed.
package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log"
	"os"
	"time"

	otelpyroscope "github.com/grafana/otel-profiling-go"
	"github.com/grafana/pyroscope-go"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
)

//go:noinline
func burn(d time.Duration) {
	sum := sha256.Sum256(nil)
	for end := time.Now().Add(d); time.Now().Before(end); {
		sum = sha256.Sum256(sum[:])
	}
}

//go:noinline
func work(ctx context.Context, name string, d time.Duration) {
	_, span := otel.Tracer("spans").Start(ctx, name)
	defer span.End()
	fmt.Println(span.SpanContext().TraceID(), span.SpanContext().SpanID(), name)
	burn(d)
}

func main() {
	otel.SetTracerProvider(otelpyroscope.NewTracerProvider(trace.NewTracerProvider()))
	profiler, err := pyroscope.Start(pyroscope.Config{
		ApplicationName: "spans",
		ServerAddress:   os.Args[1],
		UploadRate:      2 * time.Second,
		ProfileTypes:    []pyroscope.ProfileType{pyroscope.ProfileCPU},
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 4 {
		work(context.Background(), "GET /long", 600*time.Millisecond)
		work(context.Background(), "GET /short", 200*time.Millisecond)
		burn(200 * time.Millisecond)
	}
	if err := profiler.Stop(); err != nil {
		log.Fatal(err)
	}
}
