/** Builds the Java program once, with Maven; says why where that cannot be. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const TARGET = join(HERE, 'target')
const STAMP = join(TARGET, 'built')
const LOCK = join(TARGET, 'building')
/** The first build downloads RocketMQ's store and what it needs, about 100 MB. */
const BUILD_MS_MAX = 10 * 60_000

/** A class path to run with, or why there is none. */
export type JavaBuild = { readonly classPath: string } | { readonly missing: string }

/** Builds what is not built yet. Several test processes may ask at once: one builds, the others wait. */
export function buildJava(): JavaBuild {
  for (const command of ['java', 'javac', 'mvn']) {
    if (spawnSync(command, ['-version'], { stdio: 'ignore' }).error !== undefined)
      return { missing: `${command} is not installed` }
  }
  mkdirSync(TARGET, { recursive: true })
  if (!isBuilt()) whileAlone(() => (isBuilt() ? undefined : build()))
  const classPath = `${join(TARGET, 'classes')}:${readFileSync(join(TARGET, 'class-path'), 'utf8').trim()}`
  return { classPath }
}

function build(): void {
  const maven = (...options: string[]): string =>
    execFileSync('mvn', ['-B', '-q', '-ntp', ...options, 'process-classes'], {
      cwd: HERE,
      encoding: 'utf8',
      stdio: 'pipe',
      timeout: BUILD_MS_MAX,
    })
  const attempts = [() => maven('-o'), () => maven(), () => maven()]
  // Offline first: nothing may be missing from the local repository. Then twice, because a registry may hiccup.
  for (const [i, attempt] of attempts.entries()) {
    try {
      attempt()
      break
    } catch (error) {
      if (i === attempts.length - 1) throw error
    }
  }
  writeFileSync(STAMP, fingerprint())
}

function isBuilt(): boolean {
  return existsSync(STAMP) && readFileSync(STAMP, 'utf8') === fingerprint()
}

/** Lengths and modification times of the sources: enough to see that they were edited. */
function fingerprint(): string {
  const sources = join(HERE, 'src/main/java/pocketmq/interop')
  const files = [
    join(HERE, 'pom.xml'),
    ...readdirSync(sources)
      .sort()
      .map(name => join(sources, name)),
  ]
  return files.map(file => `${file} ${statSync(file).size} ${statSync(file).mtimeMs}`).join('\n')
}

function whileAlone(work: () => void): void {
  const deadline = Date.now() + BUILD_MS_MAX
  for (;;) {
    try {
      writeFileSync(LOCK, String(process.pid), { flag: 'wx' })
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || Date.now() > deadline) throw error
      if (isHolderGone()) rmSync(LOCK, { force: true })
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    }
  }
  try {
    work()
  } finally {
    rmSync(LOCK, { force: true })
  }
}

/** Whether the process that made the lock has ended without removing it. */
function isHolderGone(): boolean {
  try {
    const pid = Number(readFileSync(LOCK, 'utf8'))
    if (pid > 0) process.kill(pid, 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}
