// SPDX-License-Identifier: Apache-2.0
// sorts.cjs SECONDS: JavaScript that V8's builtins call back (sort), and that calls them (JSON, Map).
function compare(a, b) {
  return a.text < b.text ? -1 : 1;
}

function sorted(count) {
  const list = [];
  for (let i = 0; i < count; i++) list.push({ text: String((i * 7919) % count) });
  return list.sort(compare);
}

function counted(count) {
  const seen = new Map();
  for (const { text } of JSON.parse(JSON.stringify(sorted(count)))) seen.set(text, (seen.get(text) ?? 0) + 1);
  return seen.size;
}

const end = Date.now() + Number(process.argv[2]) * 1000;
while (Date.now() < end) counted(2000);
