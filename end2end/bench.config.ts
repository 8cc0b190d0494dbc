import { defineConfig } from '@playwright/test';
import tests from './playwright.config.ts';

/** The benchmarks in a browser: one at a time, with nothing recorded beside them. */
export default defineConfig({
  ...tests,
  testDir: './bench',
  fullyParallel: false,
  workers: 1,
  timeout: 300_000,
  use: { ...tests.use, trace: 'off', screenshot: 'off' },
});
