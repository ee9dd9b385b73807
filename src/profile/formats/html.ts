// SPDX-License-Identifier: Apache-2.0
// A flame graph as one page that loads nothing: it can be kept, sent and opened anywhere.

export interface HtmlPage {
  title: string;
  /** Beside the title. */
  note: string;
  script: string;
  style: string;
  /** What may run and what may style, as in a Content-Security-Policy. */
  policy: string;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

/** @param data JSON of the graph's columns and its unit */
export function* htmlChunks(
  data: Iterable<string>,
  { title, note, script, style, policy }: HtmlPage,
): Generator<string> {
  yield `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="content-security-policy" content="${escapeHtml(policy)}">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<header><h1>${escapeHtml(title)}</h1><span>${escapeHtml(note)}</span><span id="found"></span>
<input id="search" type="search" placeholder="Search, or /expression/" aria-label="Search"></header>
<div id="line"></div>
<div id="scroller"><canvas id="canvas"></canvas><div id="spacer"></div></div>
<script type="application/json" id="graph">`;
  // Of JSON only strings have this character, and there it may be written so: nothing in them ends the element.
  for (const chunk of data) yield chunk.replaceAll('<', '\\u003c');
  yield `</script>
<script>${script}</script>
</body>
</html>
`;
}
