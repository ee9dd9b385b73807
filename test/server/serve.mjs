// SPDX-License-Identifier: Apache-2.0
// A server in a process of its own, to be killed: node serve.mjs FOLDER. Says its address as a message.
import { configSchema } from '../../dist/config/config.js';
import { startServer } from '../../dist/server/server.js';

const { server } = configSchema.parse({ server: { listen: '127.0.0.1:0', data: process.argv[2] } });
const quiet = { info() {}, warn() {}, error() {} };
const running = await startServer(server, { log: quiet });
process.send({ url: running.url });
process.on('SIGTERM', () => void running.close().then(() => process.exit(0)));
