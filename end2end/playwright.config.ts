import { existsSync } from 'node:fs';
import { defineConfig } from '@playwright/test';

/** $CHROMIUM, else the system's, else Playwright's own. `cargo xtask setup` looks in the same places. */
function chromium(): string | undefined {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  return existsSync('/usr/bin/chromium') ? '/usr/bin/chromium' : undefined;
}

export default defineConfig({
  testDir: './tests',
  outputDir: './test-results',
  // One set of references: the pictures have fonts of their own (visual.ts).
  snapshotPathTemplate: './references/{arg}{ext}',
  // Each test has a server of its own (fixtures.ts), but they share this host, where a machine runs a job
  // once at a time: tests whose jobs have the same name stand in one file, and run one after the other.
  fullyParallel: false,
  workers: 2,
  // A test that passes only when tried again is a defect.
  retries: 0,
  forbidOnly: process.env.CI === 'true',
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: 'list',
  use: {
    browserName: 'chromium',
    headless: true,
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    timezoneId: 'Europe/Ljubljana',
    actionTimeout: 10_000,
    navigationTimeout: 15_000,
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: chromium(),
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
});
