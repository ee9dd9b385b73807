// SPDX-License-Identifier: Apache-2.0
// docs/configuration.md, made from the schema.
import { z } from 'zod';
import { configSchema } from './config.js';

interface JsonSchema {
  type?: string;
  description?: string;
  default?: unknown;
  properties?: Record<string, JsonSchema>;
  /** Of an array. */
  items?: JsonSchema;
  minimum?: number;
  maximum?: number;
  pattern?: string;
}

function rows(schema: JsonSchema, path: string): string[] {
  if (schema.properties === undefined) {
    const bounds = [
      schema.minimum === undefined ? '' : `at least ${schema.minimum}`,
      // Whole numbers without a bound of their own carry the largest safe one.
      schema.maximum === undefined || schema.maximum === Number.MAX_SAFE_INTEGER
        ? ''
        : `at most ${schema.maximum}`,
    ].filter(bound => bound !== '');
    const meaning = [schema.description ?? '', ...bounds].filter(part => part !== '').join('; ');
    const otherwise = schema.default === undefined ? '' : `\`${JSON.stringify(schema.default)}\``;
    const row = `| \`${path}\` | ${otherwise} | ${meaning.replaceAll('|', '\\|')} |`;
    return schema.items?.properties === undefined ? [row] : [row, ...rows(schema.items, `${path}[]`)];
  }
  return Object.entries(schema.properties).flatMap(([key, child]) =>
    rows(child, path === '' ? key : `${path}.${key}`),
  );
}

export function configurationPage(): string {
  // 'output' has the defaults filled in as they are used.
  const schema = z.toJSONSchema(configSchema, { io: 'input' }) as JsonSchema;
  return `# Configuration

Every command takes \`--config FILE\` (YAML). Options on the command line win over the file. A file with a mistake is
refused as a whole, with its line (\`SW_CONFIG_INVALID\`). Durations are a number and a unit: \`500ms\`, \`10s\`, \`15m\`,
\`24h\`, \`31d\`.

| key | default | meaning |
| --- | --- | --- |
${rows(schema, '').join('\n')}
`;
}
