/** Bodies in JSON and on terminals: text where they are UTF-8, else base64. */

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A body as text, and how it became that. */
export function bodyText(body: Uint8Array): { readonly text: string; readonly encoding: 'utf8' | 'base64' } {
  try {
    return { text: UTF8.decode(body), encoding: 'utf8' }
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return { text: Buffer.from(body.buffer, body.byteOffset, body.length).toString('base64'), encoding: 'base64' }
  }
}
