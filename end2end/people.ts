import { readFile } from 'node:fs/promises';
import { expect, type Page } from '@playwright/test';
import { hydrated, type Saltpeter } from './fixtures.ts';

export const PASSWORD = 'correct horse battery staple';

/** The link that the server printed when it started: the last one, since the log may go on from that of a server before. */
export async function firstLink(saltpeter: Saltpeter): Promise<string> {
  const links = (await readFile(saltpeter.logFile, 'utf8')).match(/http:\/\/\S+\/welcome\?code=[0-9a-f]{64}/g);
  const link = links?.at(-1);
  if (link === undefined) throw new Error('the server printed no link');
  return link;
}

/** Makes the first admin, who is then logged in. */
export async function welcome(page: Page, saltpeter: Saltpeter): Promise<void> {
  await page.goto(await firstLink(saltpeter));
  await expect(page).toHaveURL(`${saltpeter.url}/welcome`);
  await makeAdmin(page);
}

/** Fills in the page that the link leads to, which it does once. */
export async function makeAdmin(page: Page): Promise<void> {
  await page.getByLabel('Name').fill('ana');
  await page.getByLabel(/^Password/).fill(PASSWORD);
  await page.getByLabel('The same once more').fill(PASSWORD);
  await page.getByRole('button', { name: 'Make the admin' }).click();
  await hydrated(page);
}

/** Fills in the login page. */
export async function logIn(page: Page, name: string, password = PASSWORD): Promise<void> {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

/** Has the admin whose page it is add an operator of these groups. */
export async function addOperator(page: Page, name: string, groups: string): Promise<void> {
  await page.goto('/users');
  const form = page.locator('form[action="/users"]');
  await form.getByLabel('Name').fill(name);
  await form.getByLabel('Role').selectOption('operator');
  await form.getByLabel(/^Groups/).fill(groups);
  await form.getByLabel(/^Password/).fill(PASSWORD);
  await form.getByRole('button', { name: 'Add' }).click();
  await expect(page.getByTestId('user')).toHaveCount(2);
}
