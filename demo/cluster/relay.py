"""Passes TCP connections on, from a pod in the node's network: a registry that only the node reaches, for all pods.

`python -m demo.cluster.relay LISTEN TO`, each HOST:PORT.
"""

import asyncio
import sys

from demo.fakes.listener import address

_BLOCK = 1 << 16


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while block := await reader.read(_BLOCK):
            writer.write(block)
            await writer.drain()
    except ConnectionError:
        pass  # either end may go when it likes
    finally:
        writer.close()


async def _serve(listen: tuple[str, int], to: tuple[str, int]) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(*to)
        await asyncio.gather(_pass_on(reader, there[1]), _pass_on(there[0], writer))

    server = await asyncio.start_server(connected, *listen)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(address(sys.argv[1]), address(sys.argv[2])))
