// SPDX-License-Identifier: Apache-2.0
import { render } from 'preact';
import { App } from './app.js';
import { start } from './state/page.js';

start();
render(<App />, document.getElementById('app')!);
