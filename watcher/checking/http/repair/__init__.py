"""What servers send against the rules, and browsers take: brought to what the parser takes."""
