/** A server that lives as long as one measurement: started in the contestant's folder, ended with it. */
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tied } from '../support/tied.ts'

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const server of running) server.kill('SIGKILL')
})

/** Starts it; resolves at its first line of output that says it is ready. */
export async function startServer(command: string, args: readonly string[], ready: RegExp): Promise<ChildProcess> {
  const server = spawn(...tied(command, args), { stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(server)
  await new Promise<void>((resolve, reject) => {
    const listen = (text: Buffer): void => {
      if (ready.test(String(text))) resolve()
    }
    server.stdout.on('data', listen)
    server.stderr.on('data', listen)
    server.once('error', reject)
    server.once('exit', code => reject(new Error(`${command} ended with ${code}`)))
  })
  return server
}

/** Kills it: what it has stored is of no use to anybody. */
export async function endServer(server: ChildProcess): Promise<void> {
  const gone = once(server, 'exit')
  server.kill('SIGKILL')
  await gone
  running.delete(server)
}
