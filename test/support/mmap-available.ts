/** Whether the optional addon is there; where it is not, tests of `io: 'mmap'` are skipped and say so. */

/** Why `io: 'mmap'` cannot be tested here; undefined where it can. */
export const NO_MMAP: string | undefined = await import('mmap-io').then(
  () => undefined,
  (error: Error) => error.message.split('\n')[0],
)
if (NO_MMAP !== undefined) console.log(`SKIPPED io: 'mmap': ${NO_MMAP}`)

/** The io modes that can be tested here. */
export const IO_MODES: readonly ('file' | 'mmap')[] = NO_MMAP === undefined ? ['file', 'mmap'] : ['file']
