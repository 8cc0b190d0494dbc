import type { BrowserContext, ConsoleMessage } from '@playwright/test';

/** The kinds of console messages that no page may print. */
const BAD = new Set(['error', 'warning', 'assert']);

/** Collects what goes wrong in a browser without a test asking. */
export class Guard {
  private readonly problems: string[] = [];
  private readonly allowed: RegExp[] = [];

  /** Watches all pages of a context, also those that it opens later. */
  watch(context: BrowserContext): void {
    context.on('console', (message) => {
      if (BAD.has(message.type())) this.note(`console.${message.type()}: ${describe(message)}`);
    });
    context.on('weberror', (error) => this.note(`uncaught: ${error.error().stack ?? error.error().message}`));
  }

  /** Lets messages pass that this test provokes, such as a refused connection while the server is down. */
  allow(...patterns: RegExp[]): void {
    this.allowed.push(...patterns);
  }

  /** What was seen and not allowed, one entry each. */
  found(): string[] {
    return this.problems.filter((text) => !this.allowed.some((pattern) => pattern.test(text)));
  }

  private note(text: string): void {
    this.problems.push(text);
  }
}

function describe(message: ConsoleMessage): string {
  const { url, lineNumber } = message.location();
  return url ? `${message.text()} (${url}:${lineNumber + 1})` : message.text();
}
