"""How the pages of the shop read: upstream's `text` and `text_rich`, to the byte.

Upstream renders HTML and strips it again at every step (Yao et al., 2022, `web_agent_text_env.py`);
here the same texts are joined from a page's parts. `text` joins the stripped parts with ` [SEP] `;
`text_rich` puts each on a line and marks what can be clicked.
"""
