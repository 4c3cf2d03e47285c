# holdfast-demo-backend
