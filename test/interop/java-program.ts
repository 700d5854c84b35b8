/** A Java program that is told what to do line by line, and answers in JSON lines. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { buildJava } from './java-build.ts'

type Line = { readonly t: string; readonly reason?: string }

/** One process; killed when the test is over, if it is there still. */
export class JavaProgram {
  readonly #java: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  private constructor(java: ChildProcessWithoutNullStreams, lines: AsyncIterator<string>) {
    this.#java = java
    this.#lines = lines
  }

  /** Ready for commands when it resolves. `home` takes the logs it writes. */
  static async start(name: string, home: string, given: readonly string[]): Promise<JavaProgram> {
    const build = buildJava()
    if ('missing' in build) throw new Error(build.missing)
    const virtualMachine = ['-Xmx1g', '-Xshare:auto', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC']
    // Preparing for encrypted connections takes RocketMQ seconds.
    const options = [...virtualMachine, '-Dtls.server.mode=disabled', `-Duser.home=${home}`]
    const child = spawn('java', [...options, '-cp', build.classPath, `pocketmq.interop.${name}`, ...given])
    onTestFinished(() => void child.kill('SIGKILL'))
    child.stderr.resume()
    const program = new JavaProgram(child, createInterface({ input: child.stdout })[Symbol.asyncIterator]())
    await program.#answer()
    return program
  }

  /** Gives a command and answers the lines that come back, without the last. */
  async tell(...words: readonly (string | number)[]): Promise<unknown[]> {
    this.#java.stdin.write(`${words.join('\t')}\n`)
    return await this.#answer()
  }

  /** Tells it to close, and waits for its end. */
  async close(): Promise<void> {
    await this.tell('close')
    if (this.#java.exitCode === null) await once(this.#java, 'exit')
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#java.kill('SIGKILL')
    if (this.#java.exitCode === null && this.#java.signalCode === null) await once(this.#java, 'exit')
  }

  async #answer(): Promise<unknown[]> {
    const answered: Line[] = []
    for (;;) {
      const { value, done } = await this.#lines.next()
      if (done === true) throw new Error('the Java program ended')
      const line = JSON.parse(value) as Line
      if (line.t === 'done') return answered
      if (line.t === 'failed') throw new Error(line.reason)
      answered.push(line)
    }
  }
}
