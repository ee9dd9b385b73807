// SPDX-License-Identifier: Apache-2.0
// Names that fit: what tells a function apart is its last part, so parameters, templates and packages go first.

/** Removes balanced brackets and what is in them; unbalanced text (`operator<`, `operator->`) is left as it is. */
function without(name: string, open: string, close: string, put: string): string {
  let depth = 0;
  let out = '';
  for (const c of name) {
    if (c === open) {
      if (depth === 0) out += put;
      depth++;
    } else if (c === close) {
      depth--;
      if (depth < 0) return name;
    } else if (depth === 0) out += c;
  }
  return depth === 0 ? out : name;
}

/** Where the last part that stands by itself begins: after the last space outside any brackets. */
function afterLastSpace(name: string): number {
  let depth = 0;
  for (let i = name.length - 1; i > 0; i--) {
    const c = name[i]!;
    if (c === ')' || c === '>' || c === ']' || c === '}') depth++;
    else if (c === '(' || c === '<' || c === '[' || c === '{') depth--;
    else if (c === ' ' && depth === 0) return i + 1;
  }
  return 0;
}

/**
 * Takes parameters off the end, with what may follow them: `(int, long) const`, `() [clone .cold]`. Walks backwards once:
 * names come from the programs that are profiled, and a regular expression would let a long one hold the page up.
 */
function withoutParameters(name: string): string {
  const tail = /( const| volatile| noexcept|&| \[clone [^\]]{1,80}\]){1,6}$/.exec(name.slice(-200));
  const end = name.length - (tail?.[0].length ?? 0);
  if (name[end - 1] !== ')') return name;
  let depth = 0;
  for (let i = end - 1; i > 0; i--) {
    if (name[i] === ')') depth++;
    else if (name[i] === '(' && --depth === 0)
      // Go writes its receivers in parentheses, after a dot: `pkg.(*T)` is no call.
      return /[\s.(/]/.test(name[i - 1]!) ? name : name.slice(0, i);
  }
  return name;
}

/** Their names have brackets, spaces or arrows of their own; they are shown whole or cut. */
const OPERATOR = /\boperator\b/;

/** Parameters, return type and template arguments taken off, and a package path up to its last part: as people say it. */
export function shortName(name: string): string {
  return reduce(name, () => {});
}

/** A name in forms of falling length, the full one first. */
export function shortForms(name: string): string[] {
  const forms = [name];
  const add = (form: string) => {
    if (form !== '' && form.length < forms[forms.length - 1]!.length) forms.push(form);
  };
  const short = reduce(name, add);
  if (OPERATOR.test(name)) return forms;
  const parts = short.split('::');
  if (parts.length > 2) add(parts.slice(-2).join('::'));
  // A closure says nothing without the function that it is in.
  if (parts.length > 1 && !short.startsWith('<') && !/^[{<]/.test(parts[parts.length - 1]!))
    add(parts[parts.length - 1]!);
  // Class and method; what compilers append (`ep_poll.part.0`) is no method.
  const dots = short.split('.');
  if (
    parts.length === 1 &&
    dots.length > 2 &&
    /^[A-Z]/.test(dots[dots.length - 2]!) &&
    dots.every(part => /^[\w$<>]+$/.test(part))
  )
    add(dots.slice(-2).join('.'));
  return forms;
}

/** Each step on the way to the short name is handed to `step`. */
function reduce(name: string, step: (form: string) => void): string {
  let short = name;
  if (OPERATOR.test(name)) {
    // The last name before the operator is enough to tell whose it is; parameters may be part of its name.
    const at = name.search(OPERATOR);
    const owner = /([\w~]+::)$/.exec(without(name.slice(0, at), '<', '>', ''))?.[1] ?? '';
    short = owner + name.slice(at);
    step(short);
    return short;
  }
  short = withoutParameters(short);
  step(short);
  // A return type in front, as demanglers write it for template instances.
  const at = afterLastSpace(short);
  if (at > 0 && !short.slice(at).startsWith('[')) short = short.slice(at).replace(/^[*&]+/, '');
  step(short);
  // Rust's `<T as Trait>::method` begins with a bracket that is no parameter list.
  if (!short.startsWith('<') && !short.startsWith('_<')) {
    short = without(short, '<', '>', '');
    step(short);
  }
  const slash = short.lastIndexOf('/');
  if (slash >= 0 && slash < short.length - 1 && !short.includes('::')) {
    short = short.slice(slash + 1);
    step(short);
  }
  return short;
}

/** Widths of characters of one font, measured once each. */
export class TextMeasure {
  private readonly ascii = new Float64Array(128).fill(-1);
  private readonly others = new Map<string, number>();

  constructor(private readonly measure: (text: string) => number) {}

  char(c: string): number {
    const code = c.charCodeAt(0);
    if (code < 128) {
      if (this.ascii[code]! < 0) this.ascii[code] = this.measure(c);
      return this.ascii[code]!;
    }
    let width = this.others.get(c);
    if (width === undefined) {
      width = this.measure(c);
      this.others.set(c, width);
    }
    return width;
  }

  text(text: string): number {
    let width = 0;
    for (const c of text) width += this.char(c);
    return width;
  }
}

/** Fits the names of functions into widths; forms and their widths are kept per function. */
export class Labels {
  private readonly forms: { text: string[]; width: number[] }[] = [];
  private readonly ellipsis: number;

  constructor(
    private readonly names: string[],
    private readonly measure: TextMeasure,
  ) {
    this.ellipsis = measure.char('…');
  }

  width(text: string): number {
    return this.measure.text(text);
  }

  /** The longest form that fits in `width` pixels, else the shortest form cut; '' when not even three characters fit. */
  fit(fn: number, width: number): string {
    let entry = this.forms[fn];
    if (entry === undefined) {
      const text = shortForms(this.names[fn]!);
      entry = { text, width: text.map(t => this.measure.text(t)) };
      this.forms[fn] = entry;
    }
    for (let i = 0; i < entry.text.length; i++) if (entry.width[i]! <= width) return entry.text[i]!;
    return this.cut(entry.text[entry.text.length - 1]!, width - this.ellipsis);
  }

  private cut(text: string, room: number): string {
    let used = 0;
    let kept = '';
    for (const c of text) {
      used += this.measure.char(c);
      if (used > room) break;
      kept += c;
    }
    return kept.length < 3 ? '' : `${kept}…`;
  }
}
