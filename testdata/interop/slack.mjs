// A Slack Web API emulator (the slack service of emulate). The settings are its seed.
import { createEmulator } from 'emulate';
import { listening, settings } from './listening.mjs';

const emulator = await createEmulator({ service: 'slack', port: 0, seed: settings });
listening(`http://127.0.0.1:${new URL(emulator.url).port}/api/`);
