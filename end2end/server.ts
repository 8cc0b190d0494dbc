import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, readdirSync, readFileSync, type WriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '..');
const target = path.resolve(root, process.env.CARGO_TARGET_DIR ?? 'target');
const binary = process.env.SALTPETER_BIN ?? path.join(target, 'debug/saltpeter');
const wrapper = process.env.SALTPETER_WRAPPER ?? path.join(target, 'debug/saltpeter-wrapper');

/** How long the server may take to come up, and to go at SIGTERM, in ms. */
const STARTS_WITHIN = 15_000;
const ENDS_WITHIN = 15_000;

/** The machines that the local executor plays, unless a test says otherwise. */
export const MACHINES = ['alpha', 'beta', 'gamma'];

/** Config files by name, each with its YAML. */
export type Config = Record<string, string>;

/** A real server with real wrappers, in directories and on ports of its own. */
export class Saltpeter {
  /** Where the dashboard is, without a slash at the end. */
  readonly url: string;
  private child: ChildProcess | undefined;
  private readonly log: WriteStream;

  private constructor(
    /** Everything that this server keeps. */
    readonly dir: string,
    private readonly port: number,
    private readonly machinesPort: number,
    /** Where the server's output goes. */
    readonly logFile: string,
    /** Whether people have to log in. */
    private readonly auth: boolean,
  ) {
    this.url = `http://127.0.0.1:${port}`;
    this.log = createWriteStream(logFile, { flags: 'a' });
  }

  /** Makes the directories, writes `config` beside the settings, and starts the server. */
  static async start(config: Config, logFile: string, auth = false): Promise<Saltpeter> {
    const dir = await mkdtemp(path.join(tmpdir(), 'saltpeter-'));
    const [port, machinesPort] = await freePorts();
    const server = new Saltpeter(dir, port, machinesPort, logFile, auth);
    for (const part of ['config', 'data', 'log', 'wrapper-log']) await mkdir(path.join(dir, part));
    await server.setFaults({});
    await server.writeConfig('saltpeter.yaml', server.settings());
    for (const [file, yaml] of Object.entries(config)) await server.writeConfig(file, yaml);
    try {
      await server.start();
    } catch (error) {
      await server.dispose();
      throw error;
    }
    return server;
  }

  /** The settings that a test's server has. */
  private settings(): string {
    return [
      'saltpeter_config:',
      '  executor: local',
      `  local_machines: [${MACHINES.join(', ')}]`,
      '  default_saltpeter_server_host: 127.0.0.1',
      '  machines_ws_bind_addr: 127.0.0.1',
      `  default_wrapper_path: ${wrapper}`,
      `  default_wrapper_logdir: ${path.join(this.dir, 'wrapper-log')}`,
      '',
    ].join('\n');
  }

  /** Writes a file of the config directory, as an editor would while the server runs. */
  async writeConfig(file: string, yaml: string): Promise<void> {
    await writeFile(this.configPath(file), yaml);
  }

  /** Reads a file of the config directory. */
  async readConfig(file: string): Promise<string> {
    return readFile(this.configPath(file), 'utf8');
  }

  /** Deletes a file of the config directory. */
  async removeConfig(file: string): Promise<void> {
    await rm(this.configPath(file));
  }

  /** Makes an empty file in the server's directory, for jobs that wait for one. */
  async touch(file: string): Promise<void> {
    await writeFile(path.join(this.dir, file), '');
  }

  /** Has its disk fail from now on, or be well again. The server reads the file as soon as it changes. */
  async setFaults(faults: { commit_failure?: 'full' }): Promise<void> {
    const file = path.join(this.dir, 'faults.json');
    await writeFile(`${file}.new`, JSON.stringify(faults));
    await rename(`${file}.new`, file);
  }

  private configPath(file: string): string {
    return path.join(this.dir, 'config', file);
  }

  /** Starts the server, on the same ports each time, and waits until it answers. */
  async start(): Promise<void> {
    if (this.child) throw new Error('the server runs already');
    const dir = (part: string) => path.join(this.dir, part);
    const child = spawn(
      binary,
      [
        ...['-c', dir('config'), '-l', dir('log'), '--data-dir', dir('data')],
        ...['--faults', dir('faults.json')],
        ...['-b', '127.0.0.1', '-p', String(this.port), '-w', String(this.machinesPort)],
        ...(this.auth ? [] : ['--insecure-no-auth']),
      ],
      { cwd: this.dir, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    child.stdout?.pipe(this.log, { end: false });
    child.stderr?.pipe(this.log, { end: false });
    let failed: Error | undefined;
    child.once('error', (error) => (failed = error));
    this.child = child;
    const deadline = Date.now() + STARTS_WITHIN;
    while (!(await this.isHealthy())) {
      if (failed) throw new Error(`cannot start ${binary}: ${failed.message}`);
      if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}; see its log`);
      if (Date.now() > deadline) throw new Error(`the server does not answer ${this.url}/healthz`);
      await new Promise((resume) => setTimeout(resume, 25));
    }
  }

  private async isHealthy(): Promise<boolean> {
    return fetch(`${this.url}/healthz`).then(
      (answer) => answer.ok,
      () => false,
    );
  }

  /** Ends the server as systemd would, and starts it again. Its runs go on meanwhile. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** Ends the server by SIGTERM; anything but exit code 0 in good time is an error. */
  async stop(): Promise<void> {
    const child = this.take();
    const gone = ended(child);
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), ENDS_WITHIN);
    await gone;
    clearTimeout(late);
    if (child.exitCode !== 0) {
      throw new Error(`at SIGTERM the server ended with ${child.exitCode ?? child.signalCode}`);
    }
  }

  /** Ends the server without a warning, as a crash would. `start` brings it back. */
  async kill9(): Promise<void> {
    const child = this.take();
    const gone = ended(child);
    child.kill('SIGKILL');
    await gone;
  }

  private take(): ChildProcess {
    if (!this.child) throw new Error('the server does not run');
    const child = this.child;
    this.child = undefined;
    return child;
  }

  /** Ends everything that was started here and removes what it kept. */
  async dispose(): Promise<void> {
    try {
      if (this.child && this.child.exitCode === null) await this.stop();
    } finally {
      endRemains(this.dir);
      this.log.end();
      await rm(this.dir, { recursive: true, force: true, maxRetries: 5 });
    }
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

/** Two ports that nobody listens on. Both are held until both are known, so that they differ. */
async function freePorts(): Promise<[number, number]> {
  const held = await Promise.all(
    [0, 1].map(async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = held.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(held.map((server) => once(server.close(), 'close')));
  return ports as [number, number];
}

/**
 * Wrappers outlive their server by design. Those of this test, and their commands, are known by the
 * test's directory in their environment.
 */
function endRemains(dir: string): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (Number(pid) !== process.pid && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`${dir}/`)) {
        process.kill(Number(pid), 'SIGKILL');
      }
    } catch {
      // It has ended meanwhile, or is not ours.
    }
  }
}
