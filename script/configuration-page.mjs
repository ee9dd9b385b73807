// SPDX-License-Identifier: Apache-2.0
import { configurationPage } from '../dist/config/document.js';

process.stdout.write(configurationPage());
