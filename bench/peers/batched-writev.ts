/** A bare log: length and body, batched by writev, and no more. What an append costs where nothing is promised but bytes in a file. */
import { fdatasync, openSync, writev } from 'node:fs'
import { join } from 'node:path'
import { measureAppends } from '../support/loops.ts'
import { bodyOf } from '../support/messages.ts'
import type { Answer, Request } from '../support/protocol.ts'
import { serve } from '../support/protocol.ts'

/** Buffers in one call; Linux takes 1,024. */
const BUFFERS_MAX = 1024

class BatchedLog {
  readonly #file: number
  readonly #isDisk: boolean
  #buffers: Buffer[] = []
  #waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = []
  #isWriting = false

  constructor(path: string, isDisk: boolean) {
    this.#file = openSync(path, 'a')
    this.#isDisk = isDisk
  }

  append(body: Buffer): Promise<void> {
    const head = Buffer.allocUnsafe(4)
    head.writeUInt32BE(body.length)
    this.#buffers.push(head, body)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      if (!this.#isWriting) {
        this.#isWriting = true
        process.nextTick(() => this.#write())
      }
    })
  }

  #write(): void {
    const buffers = this.#buffers.splice(0, BUFFERS_MAX)
    const waiting = this.#waiting.splice(0, buffers.length / 2)
    const done = (error: Error | null): void => {
      for (const { resolve, reject } of waiting) error === null ? resolve() : reject(error)
      if (this.#buffers.length > 0) this.#write()
      else this.#isWriting = false
    }
    writev(this.#file, buffers, null, error => {
      if (error !== null || !this.#isDisk) done(error)
      else fdatasync(this.#file, done)
    })
  }
}

async function append(request: Request): Promise<Answer> {
  const log = new BatchedLog(join(request.folder, 'log'), request.durability === 'disk')
  const body = bodyOf(request.size)
  const answer = await measureAppends(request, { send: () => log.append(body) })
  return {
    ...answer,
    configuration: `length and body (${request.size + 4} B a record), no checksum, no queues; up to 512 records a writev${request.durability === 'disk' ? ', then fdatasync' : ''}`,
  }
}

await serve({ append })
