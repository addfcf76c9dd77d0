"""A shop under load: real processes, clients that remember what they were told, and somebody who checks them."""
