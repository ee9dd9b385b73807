// SPDX-License-Identifier: Apache-2.0
// Builds libbpf (see libbpf/Cargo.toml) if it is not built yet, and prints the archive to link.
const { execFileSync } = require('node:child_process');
const path = require('node:path');

const manifest = path.join(__dirname, 'libbpf/Cargo.toml');
const cargo = (...args) =>
  execFileSync('cargo', [...args, '--locked', '--manifest-path', manifest], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
cargo('build', '--release', '--quiet');
const { target_directory } = JSON.parse(cargo('metadata', '--no-deps', '--format-version=1'));
console.log(path.join(target_directory, 'release/libstackwell_libbpf.a'));
