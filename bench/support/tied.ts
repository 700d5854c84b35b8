/** Processes that do not outlive the one that started them, however that ends: the kernel sees to it, on Linux. */
import { spawnSync } from 'node:child_process'

const hasSetpriv = process.platform === 'linux' && spawnSync('setpriv', ['--pdeathsig', 'KILL', 'true']).status === 0

/** The same command, killed when this process is gone. Elsewhere the contestants see their stdin end. */
export function tied(command: string, args: readonly string[]): readonly [command: string, args: readonly string[]] {
  return hasSetpriv ? ['setpriv', ['--pdeathsig', 'KILL', '--', command, ...args]] : [command, args]
}
