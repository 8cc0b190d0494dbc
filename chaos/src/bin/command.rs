//! What the jobs of a chaos run: writes bytes that follow from its run and machine, in odd sizes and at odd times, and keeps
//! a ledger of what it did.
//!
//! `saltpeter-chaos-command LEDGER main|child BYTES MILLIS END`: about so many bytes over so many milliseconds (0: for
//! ever, so many at a time at most), then END, which is `exit:N`, `any` (a code that follows from the run), `after:N` (0 when it
//! has been started N times before, else 41) or `signal:N`. A child writes to standard
//! error only, and its main process to standard output only (`main-out`).

use rustix::process::{Pid, Signal, getpid, kill_process};
use saltpeter_chaos::content::{Channel, Content, Dice, key};
use saltpeter_chaos::ledger::{self, End, Part, Trace};
use saltpeter_chaos::processes::runs_command_of;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

/// Bytes that a command without an end writes at a time, at most, unless it is told to write more.
const IDLE_WRITE: u64 = 64;

/// How a command ends that is to be tried again.
const NOT_YET: u8 = 41;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Not to standard error, which is compared.
            let _ = std::fs::write(
                "/tmp/saltpeter-chaos-command.error",
                format!("{args:?}: {error}"),
            );
            ExitCode::from(99)
        }
    }
}

fn run(args: &[String]) -> io::Result<u8> {
    let misused = || io::Error::new(io::ErrorKind::InvalidInput, "misused");
    let [ledger, part, bytes, millis, end] = args else {
        return Err(misused());
    };
    let (part, channels): (Part, &[Channel]) = match part.as_str() {
        "main" => (Part::Main, &Channel::BOTH),
        "main-out" => (Part::Main, &[Channel::Out]),
        "child" => (Part::Child, &[Channel::Err]),
        _ => return Err(misused()),
    };
    let run = std::env::var("SP_JOB_INSTANCE_NAME").map_err(|_| misused())?;
    let machine = machine().unwrap_or_else(|| "?".to_owned());
    let earlier = ledger::earlier(Path::new(ledger), &run, &machine)?;
    let name = Trace::file_name(&run, &machine, part, std::process::id());
    let path = Path::new(ledger).join(name);
    let ledger = OpenOptions::new().create(true).append(true).open(path)?;
    let dice = Dice::new(key(&[&run, &machine, args[1].as_str()]));
    let mut command = Command {
        ledger,
        offsets: [0; 2],
        contents: Channel::BOTH.map(|channel| Content::new(&run, &machine, channel)),
        dice,
    };
    command.note(&Trace::began_line(now()))?;
    let mut lives = earlier.iter().filter(|pid| runs_command_of(**pid, &run));
    if part == Part::Main
        && let Some(pid) = lives.next()
    {
        command.note(&Trace::beside_line(*pid))?;
    }
    let bytes: u64 = bytes.parse().map_err(|_| misused())?;
    let millis: u64 = millis.parse().map_err(|_| misused())?;
    let written = if millis == 0 {
        command.write_forever(channels, bytes.max(IDLE_WRITE))
    } else {
        command.write_over(channels, bytes, Duration::from_millis(millis))
    };
    if written.is_err() {
        command.note(&Trace::end_line(End::BrokenPipe, now()))?;
        return Ok(98);
    }
    if let Some(signal) = end.strip_prefix("signal:") {
        let number = signal.parse().map_err(|_| misused())?;
        command.note(&Trace::end_line(End::Signal(number), now()))?;
        let signal = Signal::from_named_raw(number).ok_or_else(misused)?;
        kill_process(getpid(), signal)?;
        std::thread::sleep(Duration::from_mins(1));
        return Err(misused());
    }
    let code = match end.split_once(':') {
        Some(("exit", code)) => code.parse().map_err(|_| misused())?,
        Some(("after", times)) => {
            let times: usize = times.parse().map_err(|_| misused())?;
            if earlier.len() < times { NOT_YET } else { 0 }
        }
        Some(_) => return Err(misused()),
        None if key(&[&run]).is_multiple_of(3) => (key(&[&run, &machine]) % 120) as u8,
        None => 0,
    };
    command.note(&Trace::end_line(End::Exit(code.into()), now()))?;
    Ok(code)
}

struct Command {
    ledger: File,
    offsets: [u64; 2],
    contents: [Content; 2],
    dice: Dice,
}

impl Command {
    fn note(&mut self, line: &str) -> io::Result<()> {
        self.ledger.write_all(line.as_bytes())
    }

    fn write(&mut self, channel: Channel, count: usize) -> io::Result<()> {
        let index = channel as usize;
        let bytes = self.contents[index].bytes(self.offsets[index], count);
        self.note(&Trace::will_line(channel, count))?;
        // Straight to the descriptor: what is buffered here would be lost with the process.
        let done = match channel {
            Channel::Out => rustix::io::write(rustix::stdio::stdout(), &bytes),
            Channel::Err => rustix::io::write(rustix::stdio::stderr(), &bytes),
        };
        let done = done?;
        self.offsets[index] += done as u64;
        self.note(&Trace::did_line(channel, done))
    }

    fn pick(&mut self, channels: &[Channel]) -> Channel {
        channels[(self.dice.roll() % channels.len() as u64) as usize]
    }

    fn write_over(&mut self, channels: &[Channel], bytes: u64, time: Duration) -> io::Result<()> {
        let begun = Instant::now();
        let mut left = bytes;
        while left > 0 {
            // Mostly small, sometimes more than a frame holds.
            let most = if self.dice.chance(5) {
                300_000
            } else {
                1 + bytes / 16
            };
            let count = self.dice.between(1, most).min(left);
            let channel = self.pick(channels);
            self.write(channel, count as usize)?;
            left -= count;
            let due = time.mul_f64((bytes - left) as f64 / bytes as f64);
            let ahead = due.saturating_sub(begun.elapsed());
            let pause = ahead.mul_f64(self.dice.between(50, 150) as f64 / 100.0);
            std::thread::sleep(pause);
        }
        std::thread::sleep(time.saturating_sub(begun.elapsed()));
        Ok(())
    }

    fn write_forever(&mut self, channels: &[Channel], most: u64) -> io::Result<()> {
        loop {
            let count = self.dice.between(1, most);
            let channel = self.pick(channels);
            self.write(channel, count as usize)?;
            std::thread::sleep(Duration::from_millis(self.dice.between(20, 200)));
        }
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as i64)
}

/// The machine's name, which is in the environment of the wrapper among the ancestors.
fn machine() -> Option<String> {
    let mut pid = rustix::process::getppid();
    for _ in 0..4 {
        let at: Pid = pid?;
        let at = at.as_raw_nonzero();
        let environment = std::fs::read(format!("/proc/{at}/environ")).ok()?;
        let mut variables = environment.split(|byte| *byte == 0);
        if let Some(machine) =
            variables.find_map(|variable| variable.strip_prefix(b"SP_MACHINE_ID="))
        {
            return String::from_utf8(machine.to_vec()).ok();
        }
        let status = std::fs::read_to_string(format!("/proc/{at}/status")).ok()?;
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
        pid = Pid::from_raw(parent.trim().parse().ok()?);
    }
    None
}
