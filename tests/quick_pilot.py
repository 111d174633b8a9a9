"""Import it, and a pilot sees sooner that an app has nothing to do.

It takes an app for idle that used a twentieth of the processor for so many seconds, and waits
twice so long for each key: Textual's own 0.02 made a third of the time of the tests of the app.
"""

import textual._wait

textual._wait.SLEEP_GRANULARITY = 0.005
textual._wait.SLEEP_IDLE = textual._wait.SLEEP_GRANULARITY / 20
