# hf_link: the two socket contracts (see PROTOCOL.md)
