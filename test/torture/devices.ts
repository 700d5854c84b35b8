/** Devices of a torture run: a tmpfs that can be filled, an ext4 on a loop device that can be cut off or made to fail. Needs root. */
import { execFile } from 'node:child_process'
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const MIB = 1024 * 1024
const IMAGE_BYTES = 48 * MIB
const COPIES_MAX = 200
/**
 * FS_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH of the file system of the first argument: from now on it answers EIO. Given a
 * second one, nothing of the files under that is cached afterwards, but what is in use.
 */
const SHUTDOWN = `
import fcntl, os, struct, sys
cached = os.walk(sys.argv[2]) if len(sys.argv) > 2 else []
files = [os.open(os.path.join(folder, name), os.O_RDONLY) for folder, _, names in cached for name in names]
for file in files: os.fdatasync(file)
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))
for file in files: os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
`
const FILL = Buffer.alloc(64 * 1024, 'f')

const mounted = new Set<string>()

/** Why there can be no tmpfs here; undefined where there can. */
export async function noTmpfs(): Promise<string | undefined> {
  if (process.platform !== 'linux') return `no tmpfs on ${process.platform}`
  if (process.getuid?.() !== 0) return 'only root may mount'
  return await failureOf(async folder => await unmount((await mountTmpfs(folder, MIB)).folder))
}

/** Why there can be no ext4 on a loop device here; undefined where there can. */
export async function noExt4(): Promise<string | undefined> {
  if (process.platform !== 'linux') return `no loop devices on ${process.platform}`
  if (process.getuid?.() !== 0) return 'only root may mount'
  return await failureOf(async folder => await unmount((await Ext4.create(folder)).folder))
}

async function failureOf(attempt: (folder: string) => Promise<void>): Promise<string | undefined> {
  const folder = await mkdtemp(join(tmpdir(), 'pocketmq-device-'))
  try {
    await attempt(folder)
    return undefined
  } catch (error) {
    const lines = String((error as Error).message)
      .trim()
      .split('\n')
    return lines.at(-1)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** A device in memory. */
export type FullDevice = {
  readonly folder: string
  /** Takes all the room there is. */
  fill(): void
  /** Gives it back. */
  free(): void
}

export async function mountTmpfs(home: string, sizeBytes: number): Promise<FullDevice> {
  const folder = join(home, 'tmpfs')
  await mkdir(folder)
  await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', folder])
  mounted.add(folder)
  const ballast = openSync(join(folder, 'ballast'), 'w')
  let sizeOfBallast = 0
  const fill = (): void => {
    for (let chunkBytes = FILL.length; chunkBytes >= 4096; ) {
      try {
        sizeOfBallast += writeSync(ballast, FILL, 0, chunkBytes, sizeOfBallast)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
        chunkBytes /= 2
      }
    }
  }
  const free = (): void => {
    sizeOfBallast = 0
    ftruncateSync(ballast, 0)
  }
  onUnmount.set(folder, () => closeSync(ballast))
  return { folder, fill, free }
}

const onUnmount = new Map<string, () => void>()

/** Lazily: what a process that was killed has mapped must not keep it. */
export async function unmount(folder: string): Promise<void> {
  onUnmount.get(folder)?.()
  onUnmount.delete(folder)
  if (mounted.delete(folder)) await run('umount', ['-l', folder])
}

/** Nothing stays behind. */
export async function unmountAll(): Promise<void> {
  for (const folder of mounted) await unmount(folder)
}

/** How a file system of ours may stop working. */
export const FAILURES = ['device turned read-only', 'device failed'] as const

export type Failure = (typeof FAILURES)[number]

/** An ext4 in a file, on a loop device. */
export class Ext4 {
  readonly #home: string
  readonly #image: string
  readonly folder: string
  /** `loop3` */
  #device = ''

  private constructor(home: string, image: string, folder: string) {
    this.#home = home
    this.#image = image
    this.folder = folder
  }

  /** A new, empty one. */
  static async create(home: string, image = join(home, 'image'), imageBytes: number = IMAGE_BYTES): Promise<Ext4> {
    if (!existsSync(image)) {
      const file = openSync(image, 'w')
      ftruncateSync(file, imageBytes)
      closeSync(file)
    }
    await run('mkfs.ext4', ['-q', '-F', '-m', '0', image])
    const device = new Ext4(home, image, join(home, 'ext4'))
    await device.mount()
    return device
  }

  /** Replays its journal, as any mount after a power cut does. */
  async mount(): Promise<void> {
    await mkdir(this.folder, { recursive: true })
    await run('mount', ['-o', 'loop,errors=remount-ro', this.#image, this.folder])
    mounted.add(this.folder)
    const { stdout } = await run('losetup', ['-n', '-O', 'NAME', '-j', this.#image])
    this.#device = stdout.trim().replace('/dev/', '')
  }

  async unmount(): Promise<void> {
    await unmount(this.folder)
  }

  /**
   * What is on the device at this moment, as a device of its own. What the page cache of the file system holds is not there: it
   * was never written. Copies again until nothing was written meanwhile: journal and write-back go on also where the writer is stopped.
   * Answers undefined where the device does not come to rest.
   */
  async cut(number: number): Promise<Ext4 | undefined> {
    const image = join(this.#home, `cut-${number}`)
    for (let i = 0; i < COPIES_MAX; i++) {
      const before = this.#written()
      await copyFile(this.#image, image)
      if (before !== undefined && before === this.#written()) {
        const cut = new Ext4(this.#home, image, `${image}-ext4`)
        await cut.mount()
        return cut
      }
    }
    return undefined
  }

  /** Unmounts it and forgets its image, or keeps that. */
  async discard(isKept: boolean): Promise<void> {
    await this.unmount()
    if (isKept) return
    await rm(this.folder, { recursive: true, force: true })
    await rm(this.#image, { force: true })
  }

  /** Turns it read-only, as an ext4 does that finds itself damaged, with errors=remount-ro. */
  async fail(): Promise<void> {
    writeFileSync(`/sys/fs/ext4/${this.#device}/trigger_fs_error`, 'torture')
  }

  /** Mends it as a person would: unmounted, checked, mounted. Nobody may use it. */
  async repair(): Promise<void> {
    await this.release()
    await this.check()
  }

  /** Unmounted when it resolves, not lazily. */
  async release(): Promise<void> {
    if (mounted.delete(this.folder)) await run('umount', [this.folder])
  }

  /** Checked and mounted. */
  async check(): Promise<void> {
    // Exit 1: errors were corrected.
    await run('e2fsck', ['-p', this.#image]).catch((error: { code?: number }) => {
      if (error.code !== 1) throw error
    })
    await this.mount()
  }

  /** What was written to the device so far; undefined while something is on its way. */
  #written(): string | undefined {
    const counters = readFileSync(`/sys/block/${this.#device}/stat`, 'latin1').trim().split(/\s+/)
    const [writes, sectors, inFlight] = [counters[4], counters[6], counters[8]]
    return inFlight === '0' ? `${writes} ${sectors}` : undefined
  }
}

/**
 * An ext4 whose device fails: its image lies on another ext4, which is shut down. Not the ext4 itself: that still reads when it is
 * shut down, and an fdatasync that is under way then may resolve though what it was to keep is lost.
 */
export class CarriedExt4 {
  readonly #carrier: Ext4
  readonly #device: Ext4

  private constructor(carrier: Ext4, device: Ext4) {
    this.#carrier = carrier
    this.#device = device
  }

  static async create(home: string): Promise<CarriedExt4> {
    const carrier = await Ext4.create(home, join(home, 'carrier'), 2 * IMAGE_BYTES)
    const image = join(carrier.folder, 'image')
    // Written whole: what is flushed to it then changes nothing of the carrier itself.
    await writeFile(image, Buffer.alloc(IMAGE_BYTES), { flush: true })
    return new CarriedExt4(carrier, await Ext4.create(carrier.folder, image))
  }

  get folder(): string {
    return this.#device.folder
  }

  /** From now on nothing can be read from the device or written to it. */
  async fail(): Promise<void> {
    await run('python3', ['-c', SHUTDOWN, this.#carrier.folder])
  }

  /** The same, and what is cached of its files and not in use is gone. Nobody may make or remove files meanwhile. */
  async lose(): Promise<void> {
    await run('python3', ['-c', SHUTDOWN, this.#carrier.folder, this.folder])
  }

  /** Gives it back as it is, checked. Nobody may use it. */
  async repair(): Promise<void> {
    await this.#device.release()
    await this.#carrier.release()
    await this.#carrier.check()
    await this.#device.check()
  }

  async unmount(): Promise<void> {
    await this.#device.unmount()
    await this.#carrier.unmount()
  }
}

/** Why ext4 cannot be made to fail so here; undefined where it can. */
export function noFailure(how: Failure): string | undefined {
  if (how === 'device failed') {
    const paths = (process.env.PATH ?? '').split(':')
    return paths.some(path => existsSync(join(path, 'python3'))) ? undefined : 'no python3 for FS_IOC_SHUTDOWN'
  }
  return existsSync('/sys/fs/ext4') ? undefined : 'no /sys/fs/ext4'
}
