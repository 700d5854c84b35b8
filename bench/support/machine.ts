/** Where and with what a figure was measured: without this a figure is no claim. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { arch, cpus, loadavg, platform, release, totalmem } from 'node:os'

export type Machine = {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly node: string
  readonly fileSystem: string
  readonly commit: string
  readonly pocketmq: string
  readonly date: string
  readonly load1: number
}

/** The machine, the versions and the file system of `folder`. */
export function describeMachine(folder: string): Machine {
  const { version } = JSON.parse(readFileSync(new URL('package.json', projectRoot()), 'utf8')) as { version: string }
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()} ${arch()}`,
    node: process.version,
    fileSystem: firstLine('df', ['--output=fstype', folder], 1),
    commit: commitOf(['src', 'bench', 'package.json']),
    pocketmq: version,
    date: new Date().toISOString().slice(0, 10),
    load1: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  }
}

/** The project's folder, from wherever the compiled bench lies. */
export function projectRoot(): URL {
  let folder = new URL('.', import.meta.url)
  for (;;) {
    try {
      const { name } = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8')) as { name?: string }
      if (name === 'pocketmq') return folder
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    folder = new URL('..', folder)
  }
}

/** The last commit that changed what is measured, or what measures it. */
function commitOf(paths: readonly string[]): string {
  const commit = firstLine('git', ['log', '-1', '--format=%h', '--', ...paths], 0)
  const changes = firstLine('git', ['status', '--porcelain', '--', ...paths], 0)
  return changes === 'unknown' ? commit : `${commit} and what was not committed yet`
}

function firstLine(command: string, args: readonly string[], line: number): string {
  try {
    const output = execFileSync(command, args, {
      cwd: projectRoot(),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return output.split('\n')[line]?.trim() || 'unknown'
  } catch {
    return 'unknown'
  }
}
