package unparsable

import
