// SPDX-License-Identifier: Apache-2.0

//go:build serve

package main

import (
	"net/http"
	_ "net/http/pprof"
)

func init() {
	serve = func(address string) { http.ListenAndServe(address, nil) }
}
