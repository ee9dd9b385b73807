// SPDX-License-Identifier: Apache-2.0
// A Java virtual machine that does not tell where its structures are: links to a runtime, and a copy of its libjvm.so in
// which the table of them has another name.
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { built } from '../matrix/build.js';
import { javaHome } from '../matrix/java.js';
import { sourcePath } from '../programs/build.js';

/** Folder to bind into a container, and the command that runs `Busy` for some seconds. `version` as in javaHome. */
export function unreadableJava(version: string, seconds: number): { folder: string; command: string[] } {
  const home = javaHome(version);
  const release = readFileSync(path.join(home, 'release'), 'utf8');
  const exact = /^JAVA_VERSION="(.*)"/m.exec(release)![1]!;
  const folder = built(`unreadable-java-${exact}`, sourcePath('java'), import.meta.url, into => {
    const library = path.join(into, 'lib/server');
    mkdirSync(library, { recursive: true });
    mkdirSync(path.join(into, 'bin'));
    copyFileSync(path.join(home, 'bin/java'), path.join(into, 'bin/java'));
    symlinkSync(path.join(home, 'conf'), path.join(into, 'conf'));
    for (const name of readdirSync(path.join(home, 'lib')))
      if (name !== 'server') symlinkSync(path.join(home, 'lib', name), path.join(into, 'lib', name));
    cpSync(path.join(home, 'lib/server'), library, { recursive: true, dereference: true });
    const bytes = readFileSync(path.join(library, 'libjvm.so'));
    const name = Buffer.from('gHotSpotVMStructs\0');
    for (let at = bytes.indexOf(name); at >= 0; at = bytes.indexOf(name, at + 1))
      bytes[at] = 'h'.charCodeAt(0);
    writeFileSync(path.join(library, 'libjvm.so'), bytes);
    const source = path.join(sourcePath('java'), 'Busy.java');
    execFileSync('javac', ['--release', '8', '-Xlint:-options', '-d', into, source], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  });
  const java = path.join(folder, 'bin/java');
  // The method that is looked for is not to become a part of its caller.
  const whole = ['-XX:CompileCommand=quiet', '-XX:CompileCommand=dontinline,Busy.burn'];
  const options = ['-Xmx64m', '-XX:+UseSerialGC', ...whole];
  return { folder, command: [java, ...options, '-cp', folder, 'Busy', String(seconds)] };
}
