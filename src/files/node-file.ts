/**
 * One open file by its descriptor.
 * Closing waits for what is under way in the thread pool: a closed descriptor's number may name another file at once,
 * and a late write would go into that one.
 */
import fs from 'node:fs'
import { assert } from '../base/assert.ts'
import type { OpenMode, StoreFile } from './file-system.ts'
import { closedFile, errnoOf, ioError } from './io-error.ts'

const FLAGS: Readonly<Record<OpenMode, number>> = {
  read: fs.constants.O_RDONLY,
  write: fs.constants.O_RDWR,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT,
}

/** A StoreFile over a descriptor of this process. */
export class NodeFile implements StoreFile {
  readonly path: string
  readonly #fd: number
  /** Operations in the thread pool. */
  #busy = 0
  #whenIdle: (() => void) | undefined
  #closing: Promise<void> | undefined

  private constructor(path: string, fd: number) {
    this.path = path
    this.#fd = fd
  }

  static async open(path: string, how: OpenMode, mode: number): Promise<NodeFile> {
    try {
      const fd = await new Promise<number>((resolve, reject) => {
        fs.open(path, FLAGS[how], mode, (error, opened) => (error === null ? resolve(opened) : reject(error)))
      })
      return new NodeFile(path, fd)
    } catch (thrown) {
      throw ioError(thrown, 'open', path)
    }
  }

  static openSync(path: string, how: OpenMode, mode: number): NodeFile {
    try {
      return new NodeFile(path, fs.openSync(path, FLAGS[how], mode))
    } catch (thrown) {
      throw ioError(thrown, 'open', path)
    }
  }

  /** The descriptor's number, for a native call that ends before anything else can run. */
  get fd(): number {
    if (this.#closing !== undefined) throw closedFile(this.path)
    return this.#fd
  }

  async sizeBytes(): Promise<number> {
    return await this.#inPool('stat', fd => {
      return new Promise<number>((resolve, reject) => {
        fs.fstat(fd, (error, stat) => (error === null ? resolve(stat.size) : reject(error)))
      })
    })
  }

  sizeBytesSync(): number {
    const fd = this.fd
    try {
      return fs.fstatSync(fd).size
    } catch (thrown) {
      throw ioError(thrown, 'stat', this.path)
    }
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    return await this.#inPool('read', async fd => {
      let done = 0
      while (done < target.length) {
        const count = await readOnce(fd, target, done, position + done)
        if (count === 0) break
        done += count
      }
      return done
    })
  }

  readSync(target: Uint8Array, position: number): number {
    const fd = this.fd
    let done = 0
    try {
      while (done < target.length) {
        const count = fs.readSync(fd, target, done, target.length - done, position + done)
        if (count === 0) break
        done += count
      }
    } catch (thrown) {
      throw ioError(thrown, 'read', this.path, { position })
    }
    return done
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    let done = 0
    const details = (): object => ({ position, writtenBytes: done })
    await this.#inPool(
      'write',
      async fd => {
        while (done < bytes.length) done += await writeOnce(fd, bytes, done, position + done)
      },
      details,
    )
  }

  writeSync(bytes: Uint8Array, position: number): void {
    const fd = this.fd
    let done = 0
    try {
      // A write ends short where the device fills up or a signal comes; the next one says which.
      while (done < bytes.length) done += fs.writeSync(fd, bytes, done, bytes.length - done, position + done)
    } catch (thrown) {
      throw ioError(thrown, 'write', this.path, { position, writtenBytes: done })
    }
  }

  async setLength(bytes: number): Promise<void> {
    await this.#inPool('truncate', fd => settled(done => fs.ftruncate(fd, bytes, done)))
  }

  setLengthSync(bytes: number): void {
    const fd = this.fd
    try {
      fs.ftruncateSync(fd, bytes)
    } catch (thrown) {
      throw ioError(thrown, 'truncate', this.path)
    }
  }

  async flush(): Promise<void> {
    await this.#inPool('flush', fd => settled(done => fs.fdatasync(fd, done)))
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  closeSync(): void {
    assert(this.#busy === 0, 'a file in use is closed by close()')
    if (this.#closing !== undefined) return
    this.#closing = Promise.resolve()
    try {
      fs.closeSync(this.#fd)
    } catch (thrown) {
      throw ioError(thrown, 'close', this.path)
    }
  }

  async #close(): Promise<void> {
    if (this.#busy > 0) await new Promise<void>(resolve => (this.#whenIdle = resolve))
    try {
      await settled(done => fs.close(this.#fd, done))
    } catch (thrown) {
      throw ioError(thrown, 'close', this.path)
    }
  }

  async #inPool<T>(operation: string, run: (fd: number) => Promise<T>, details?: () => object): Promise<T> {
    const fd = this.fd
    this.#busy++
    try {
      return await run(fd)
    } catch (thrown) {
      throw ioError(thrown, operation, this.path, { ...details?.() })
    } finally {
      this.#busy--
      if (this.#busy === 0) this.#whenIdle?.()
    }
  }
}

/** A promise of a node:fs call that answers only whether it failed. */
export function settled(call: (done: (error: NodeJS.ErrnoException | null) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    call(error => (error === null || error === undefined ? resolve() : reject(error)))
  })
}

function readOnce(fd: number, target: Uint8Array, from: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, target, from, target.length - from, position, (error, count) => {
      if (error === null) resolve(count)
      // libuv repeats every interrupted call but read.
      else if (errnoOf(error) === 'EINTR') resolve(readOnce(fd, target, from, position))
      else reject(error)
    })
  })
}

function writeOnce(fd: number, bytes: Uint8Array, from: number, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.write(fd, bytes, from, bytes.length - from, position, (error, count) => {
      return error === null ? resolve(count) : reject(error)
    })
  })
}
