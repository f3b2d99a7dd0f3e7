"""The web chat's server side: accounts at its door, chats, answers, and what admins see."""
